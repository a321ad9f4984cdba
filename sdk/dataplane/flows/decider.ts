// SPDX-License-Identifier: Apache-2.0
/** Sets flows the way the slow path does: decisions in a mapped array, applied by one run of a kernel program. */
import { WeirError } from "../../errors.ts";
import {
  DecisionOperationValue,
  type DecisionResult,
  DropReasonValue,
  decisionResults,
  FLOW_FLAG_CHOSEN,
  FLOW_FLAG_CHOSEN_BACK,
  FLOW_FLAG_SINGLE,
  FlowActionValue,
  flowDecisionCodec,
  type RawFlowKey,
  WEIR_DECISIONS_PER_WORKER,
} from "../../layout/index.ts";
import type { LabelTag } from "../kernel/label_tag.ts";
import { hashOf } from "./codec.ts";
import type { DecisionRecords } from "./decision_records.ts";
import { treatmentOf } from "./treatment.ts";
import type { FlowResult, FlowSetting } from "./types.ts";

/** Where a route leads in the end. */
export interface RouteTarget {
  /** Number of the next hop; 0: no route. */
  readonly nexthop: number;
  readonly tag: LabelTag;
  /** Number of the VRF that answers come into. */
  readonly vrf: number;
}

/** Answers what a setting leaves open. */
export interface FlowLookup {
  /** Number of an interface. */
  interfaceId(name: string): number | undefined;
  /** Number of a mirror. */
  mirrorId(name: string): number | undefined;
  /** Number of a VRF. */
  vrfId(name: string): number | undefined;
  /** Number of a next hop. */
  nexthopId(name: string): number | undefined;
  /**
   * Where `address` is routed to.
   * @param hash of the flow, which chooses among the members of an ecmp.
   */
  route(family: 4 | 6, vrf: number, address: Uint8Array, hash: number): RouteTarget;
  /** Where next hop `nexthop` leads for `address`: through ecmp and vrf. */
  through(nexthop: number, family: 4 | 6, vrf: number, address: Uint8Array, hash: number): RouteTarget;
  /** Number of the interface that a next hop leads to; 0: none. */
  interfaceOf(nexthop: number): number;
}

const ACTIONS = ["forward", "drop", "nat"];

interface Item {
  readonly setting: FlowSetting;
  readonly key: RawFlowKey;
}

/** Writes decisions of the controller's own. */
export class FlowDecider {
  readonly #records: DecisionRecords;
  readonly #lookup: FlowLookup;
  readonly #revision: () => number;

  constructor(records: DecisionRecords, lookup: FlowLookup, revision: () => number) {
    this.#records = records;
    this.#lookup = lookup;
    this.#revision = revision;
  }

  /** @throws WeirError `EINVAL` for a setting that names what is not there; then none of its thousand is set. */
  set(items: readonly Item[]): FlowResult[] {
    const records = this.#records;
    const results: FlowResult[] = [];
    for (let start = 0; start < items.length; start += WEIR_DECISIONS_PER_WORKER) {
      const batch = items.slice(start, start + WEIR_DECISIONS_PER_WORKER);
      for (const [i, item] of batch.entries()) this.#write(i, item);
      records.apply(batch.length);
      for (let i = 0; i < batch.length; i++) {
        results.push(resultOf(decisionResults[flowDecisionCodec.result.get(records.view, records.at(i))]));
      }
    }
    return results;
  }

  #write(index: number, { setting, key }: Item): void {
    const lookup = this.#lookup;
    const ingress = lookup.interfaceId(setting.interface) ?? missing("interface", setting.interface);
    const { nexthopVrf: vrf } = setting;
    const treatment = treatmentOf(lookup, key, setting, { actions: ACTIONS, vrf, operation: "set a flow" });
    const hash = hashOf(key);
    const forward = treatment.forward ?? lookup.route(key.family, key.vrf, key.destination, hash);
    const reverse = treatment.reverse ?? lookup.route(key.family, key.vrf, key.source, hash);
    const codec = flowDecisionCodec;
    const { view, bytes } = this.#records;
    const base = this.#records.begin(index, key);
    codec.operation.set(view, base, DecisionOperationValue.set);
    codec.action.set(view, base, FlowActionValue[setting.action]);
    if (setting.action === "drop") codec.dropReason.set(view, base, DropReasonValue["policy-deny"]);
    const chosen = treatment.forward?.chosen === true ? FLOW_FLAG_CHOSEN : 0;
    const chosenBack = treatment.reverse === undefined ? 0 : FLOW_FLAG_CHOSEN_BACK;
    codec.flags.set(view, base, (treatment.single ? FLOW_FLAG_SINGLE : 0) | chosen | chosenBack);
    codec.mirror.set(view, base, treatment.mirror);
    codec.reverseMirror.set(view, base, treatment.reverseMirror);
    codec.generation.set(view, base, setting.generation ?? 0);
    codec.ingress.set(view, base, ingress);
    codec.reverseIngress.set(view, base, lookup.interfaceOf(forward.nexthop));
    codec.nexthop.set(view, base, forward.nexthop);
    codec.reverseNexthop.set(view, base, reverse.nexthop);
    codec.label.set(view, base, forward.tag);
    codec.reverseLabel.set(view, base, reverse.tag);
    codec.reverseVrf.set(view, base, forward.vrf);
    codec.idleSeconds.set(view, base, treatment.idleSeconds);
    if (treatment.becomes !== undefined) {
      codec.newSource.set(bytes, base, treatment.becomes.source);
      codec.newDestination.set(bytes, base, treatment.becomes.destination);
      codec.newSourcePort.set(view, base, treatment.becomes.sourcePort);
      codec.newDestinationPort.set(view, base, treatment.becomes.destinationPort);
    }
    codec.revision.set(view, base, this.#revision());
  }
}

/** @throws WeirError `EIO` where the kernel did not say. */
function resultOf(result: DecisionResult | undefined): FlowResult {
  if (result === undefined || result === "pending") {
    throw new WeirError({ code: "EIO", operation: "set a flow", reason: "the kernel program did not get to it" });
  }
  // There is none that the generation could be of.
  return result === "missing" ? "stale" : result;
}

function missing(what: string, name: string): never {
  throw new WeirError({ code: "EINVAL", operation: "set a flow", reason: `there is no ${what} "${name}"` });
}
