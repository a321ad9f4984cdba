// SPDX-License-Identifier: Apache-2.0
/** Sets and deletes flows the way the slow path does: decisions in a mapped array, applied by one run of a kernel program. */
import { WeirError } from "../../errors.ts";
import {
  DecisionOperationValue,
  DropReasonValue,
  decisionResults,
  FlowActionValue,
  flowDecisionCodec,
  flowDecisionLayout,
  flowUpdateArgsCodec,
  flowUpdateArgsLayout,
  WEIR_DECISIONS_PER_WORKER,
  WEIR_MAX_WORKERS,
} from "../../layout/index.ts";
import type { BpfMap, Mapping, Program } from "../../libbpf/index.ts";
import type { LabelTag } from "../kernel/label_tag.ts";
import type { RawFlowKey } from "./codec.ts";
import type { FlowResult, FlowSetting } from "./types.ts";

/** The last worker's part of `decisions` is the main thread's. */
const FIRST = (WEIR_MAX_WORKERS - 1) * WEIR_DECISIONS_PER_WORKER;

/** Workers that an instance can have: one part of `decisions` is the main thread's. */
export const MAX_WORKERS: number = WEIR_MAX_WORKERS - 1;

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
  /** Number of a next hop. */
  nexthopId(name: string): number | undefined;
  /**
   * Where `address` is routed to.
   * @param hash of the flow, which chooses among the members of an ecmp.
   */
  route(family: 4 | 6, vrf: number, address: Uint8Array, hash: number): RouteTarget;
  /** Number of the interface that a next hop leads to; 0: none. */
  interfaceOf(nexthop: number): number;
}

interface Item {
  readonly setting: FlowSetting;
  readonly key: RawFlowKey;
}

/** Writes decisions of the controller's own. */
export class FlowDecider implements Disposable {
  readonly #mapping: Mapping;
  readonly #view: DataView<ArrayBuffer>;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #update: Program;
  readonly #lookup: FlowLookup;
  readonly #revision: () => number;

  constructor(decisions: BpfMap, update: Program, lookup: FlowLookup, revision: () => number) {
    this.#mapping = decisions.mmap();
    this.#view = new DataView(this.#mapping.view);
    this.#bytes = new Uint8Array(this.#mapping.view);
    this.#update = update;
    this.#lookup = lookup;
    this.#revision = revision;
  }

  /** @throws WeirError `EINVAL` for a setting that names what is not there; then none of its thousand is set. */
  set(items: readonly Item[]): FlowResult[] {
    const results: FlowResult[] = [];
    for (let start = 0; start < items.length; start += WEIR_DECISIONS_PER_WORKER) {
      const batch = items.slice(start, start + WEIR_DECISIONS_PER_WORKER);
      for (const [i, item] of batch.entries()) this.#write((FIRST + i) * flowDecisionLayout.size, item);
      this.#apply(batch.length);
      for (let i = 0; i < batch.length; i++) {
        const result = decisionResults[flowDecisionCodec.result.get(this.#view, (FIRST + i) * flowDecisionLayout.size)];
        results.push(result === undefined || result === "pending" ? "missing" : result);
      }
    }
    return results;
  }

  /** Deletes flows, each with its other direction. @returns entries deleted */
  delete(keys: readonly RawFlowKey[]): number {
    let deleted = 0;
    for (let start = 0; start < keys.length; start += WEIR_DECISIONS_PER_WORKER) {
      const batch = keys.slice(start, start + WEIR_DECISIONS_PER_WORKER);
      for (const [i, key] of batch.entries()) {
        const base = (FIRST + i) * flowDecisionLayout.size;
        this.#writeKey(base, key);
        flowDecisionCodec.operation.set(this.#view, base, DecisionOperationValue.delete);
      }
      deleted += this.#apply(batch.length);
    }
    return deleted;
  }

  /** @returns entries that were deleted. */
  #apply(count: number): number {
    const context = new Uint8Array(flowUpdateArgsLayout.size);
    const view = new DataView(context.buffer);
    flowUpdateArgsCodec.first.set(view, 0, FIRST);
    flowUpdateArgsCodec.count.set(view, 0, count);
    const result = this.#update.testRun({ context }).context;
    return flowUpdateArgsCodec.removed.get(new DataView(result.buffer, result.byteOffset, result.byteLength), 0);
  }

  /** Begins a record with its key. */
  #writeKey(base: number, key: RawFlowKey): void {
    const codec = flowDecisionCodec;
    const view = this.#view;
    this.#bytes.fill(0, base, base + flowDecisionLayout.size);
    codec.family.set(view, base, key.family);
    codec.vrf.set(view, base, key.vrf);
    codec.source.set(this.#bytes, base, key.source);
    codec.destination.set(this.#bytes, base, key.destination);
    codec.sourcePort.set(view, base, key.sourcePort);
    codec.destinationPort.set(view, base, key.destinationPort);
    codec.protocol.set(view, base, key.protocol);
  }

  #write(base: number, { setting, key }: Item): void {
    const lookup = this.#lookup;
    const ingress = lookup.interfaceId(setting.interface) ?? missing("interface", setting.interface);
    const mirror =
      setting.mirror === undefined ? 0 : (lookup.mirrorId(setting.mirror) ?? missing("mirror", setting.mirror));
    const hash = hashOf(key);
    const named = (name: string | undefined) => this.#target(name, key.vrf);
    const forward = named(setting.nexthop) ?? lookup.route(key.family, key.vrf, key.destination, hash);
    const reverse = named(setting.reverseNexthop) ?? lookup.route(key.family, key.vrf, key.source, hash);
    const codec = flowDecisionCodec;
    const view = this.#view;
    this.#writeKey(base, key);
    codec.operation.set(view, base, DecisionOperationValue.set);
    codec.action.set(view, base, FlowActionValue[setting.action]);
    if (setting.action === "drop") codec.dropReason.set(view, base, DropReasonValue["policy-deny"]);
    codec.mirror.set(view, base, mirror);
    codec.generation.set(view, base, setting.generation ?? 0);
    codec.ingress.set(view, base, ingress);
    codec.reverseIngress.set(view, base, lookup.interfaceOf(forward.nexthop));
    codec.nexthop.set(view, base, forward.nexthop);
    codec.reverseNexthop.set(view, base, reverse.nexthop);
    codec.label.set(view, base, forward.tag);
    codec.reverseLabel.set(view, base, reverse.tag);
    codec.reverseVrf.set(view, base, forward.vrf);
    codec.idleSeconds.set(view, base, setting.idleSeconds ?? 0);
    codec.revision.set(view, base, this.#revision());
  }

  /** A next hop by name has no label of its own. */
  #target(name: string | undefined, vrf: number): RouteTarget | undefined {
    if (name === undefined) return undefined;
    return { nexthop: this.#lookup.nexthopId(name) ?? missing("next hop", name), tag: 0, vrf };
  }

  [Symbol.dispose](): void {
    this.#mapping[Symbol.dispose]();
  }
}

/** The same for both directions of a flow. */
function hashOf(key: RawFlowKey): number {
  const sum = (bytes: Uint8Array) => bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5);
  const ends = [sum(key.source) + key.sourcePort, sum(key.destination) + key.destinationPort];
  return (Math.imul((ends[0] ?? 0) + (ends[1] ?? 0), 0x9e3779b1) ^ key.protocol) >>> 0;
}

function missing(what: string, name: string): never {
  throw new WeirError({ code: "EINVAL", operation: "set a flow", reason: `there is no ${what} "${name}"` });
}
