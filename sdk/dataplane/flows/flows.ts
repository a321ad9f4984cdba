// SPDX-License-Identifier: Apache-2.0
/** The flow tables. */
import { type Family, parseAddress } from "../../address.ts";
import { WeirError } from "../../errors.ts";
import { dropReasons, flowActions, flowEntryCodec, flowStates, type RawFlowKey } from "../../layout/index.ts";
import type { BpfMap } from "../../libbpf/index.ts";
import { wallClockOffsetMs } from "../instance/clock.ts";
import { labelFields } from "../kernel/label_tag.ts";
import type { Maps } from "../kernel/tables.ts";
import type { Policies } from "../reconcile/policies.ts";
import type { Ids } from "../state/ids.ts";
import {
  becomesOf,
  decodeFlowKey,
  encodeFlowKey,
  endpoints,
  protocolName,
  protocolNumber,
  reverseKey,
  tunnelOf,
} from "./codec.ts";
import type { FlowDecider } from "./decider.ts";
import type { DecisionRecords } from "./decision_records.ts";
import { deleteFlows } from "./deletions.ts";
import { matcher } from "./selector.ts";
import { translationOf } from "./translation.ts";
import type { Flow, FlowKey, FlowResult, FlowSelector, FlowSetting } from "./types.ts";

/** Reads, sets and deletes flows. */
export class Flows {
  readonly #maps: Readonly<Record<Family, BpfMap>>;
  readonly #ids: Ids;
  readonly #policies: Policies;
  readonly #decider: FlowDecider;
  readonly #records: DecisionRecords;

  constructor(maps: Maps, ids: Ids, policies: Policies, decider: FlowDecider, records: DecisionRecords) {
    this.#maps = { 4: maps.flows4, 6: maps.flows6 };
    this.#ids = ids;
    this.#policies = policies;
    this.#decider = decider;
    this.#records = records;
  }

  /** The flows that `selector` matches, one entry a direction, in no order. Changes meanwhile may or may not be seen. */
  *entries(selector: FlowSelector = {}): Generator<Flow> {
    const match = matcher(selector, this.#ids);
    const offset = wallClockOffsetMs();
    for (const family of [4, 6] as const) {
      for (const { key: bytes, value } of this.#maps[family].entries()) {
        const key = decodeFlowKey(family, bytes);
        if (match(key)) yield this.#flow(key, value, offset);
      }
    }
  }

  /** One direction of a flow. */
  get(key: FlowKey): Flow | undefined {
    const raw = this.rawKey(key);
    const map = this.#maps[raw.family];
    const value = new Uint8Array(map.valueBytes);
    return map.lookup(encodeFlowKey(raw), value) ? this.#flow(raw, value, wallClockOffsetMs()) : undefined;
  }

  /**
   * Sets flows, both directions of each, whatever policy says. The results are in the order of the settings.
   * @throws WeirError `EINVAL` for a setting that cannot be understood; then none is set.
   */
  set(batch: readonly FlowSetting[]): FlowResult[] {
    return this.#decider.set(batch.map((setting) => ({ setting, key: this.rawKey(setting) })));
  }

  /** Deletes the flows that `selector` matches, with their other direction. @returns entries deleted */
  delete(selector: FlowSelector): number {
    const match = matcher(selector, this.#ids);
    let deleted = 0;
    for (const family of [4, 6] as const) {
      const doomed: RawFlowKey[] = [];
      for (const { key: bytes } of this.#maps[family].entries()) {
        const key = decodeFlowKey(family, bytes);
        if (match(key)) doomed.push(key);
      }
      // Each takes its other direction along; where both are in the list the second one is gone by then.
      deleted += deleteFlows(this.#records, doomed);
    }
    return deleted;
  }

  /** @throws WeirError `EINVAL` */
  rawKey(key: FlowKey): RawFlowKey {
    const source = parseAddress(key.src);
    const destination = parseAddress(key.dst);
    const protocol = protocolNumber(key.proto);
    const vrf = this.#ids.vrf.get(key.vrf);
    const problem =
      source === undefined
        ? `src ${JSON.stringify(key.src)} is no address`
        : destination === undefined
          ? `dst ${JSON.stringify(key.dst)} is no address`
          : source.family !== destination.family
            ? "src and dst are of different families"
            : protocol === undefined
              ? `proto ${JSON.stringify(key.proto)} is no protocol`
              : vrf === undefined
                ? `vrf ${JSON.stringify(key.vrf)} is no VRF`
                : undefined;
    if (problem !== undefined || source === undefined || destination === undefined) {
      throw new WeirError({ code: "EINVAL", operation: "look up a flow", reason: problem ?? "" });
    }
    return {
      family: source.family,
      vrf: vrf ?? 0,
      protocol: protocol ?? 0,
      source: source.bytes,
      destination: destination.bytes,
      sourcePort: key.sport,
      destinationPort: key.dport,
    };
  }

  #flow(key: RawFlowKey, bytes: Uint8Array, clockOffsetMs: number): Flow {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const action = flowActions[flowEntryCodec.action.get(view, 0)] ?? "none";
    const rule = this.#policies.rule(flowEntryCodec.rule.get(view, 0));
    const ingress = flowEntryCodec.ingress.get(view, 0);
    const interfaceName = this.#ids.interface.nameOf(ingress);
    const tunnel = this.#ids.nexthop.nameOf(tunnelOf(ingress));
    const nexthop = this.#ids.nexthop.nameOf(flowEntryCodec.nexthop.get(view, 0));
    const mirror = this.#ids.mirror.nameOf(flowEntryCodec.mirror.get(view, 0));
    const becomes = becomesOf(key, bytes);
    return {
      vrf: this.#ids.vrf.nameOf(key.vrf) ?? String(key.vrf),
      proto: protocolName(key.protocol),
      ...endpoints(key),
      action: action === "none" ? "hold" : action,
      state: flowStates[flowEntryCodec.state.get(view, 0)] ?? "none",
      packets: flowEntryCodec.packets.getNumber(view, 0),
      bytes: flowEntryCodec.bytes.getNumber(view, 0),
      lastSeen: new Date(flowEntryCodec.lastSeen.getNumber(view, 0) / 1e6 + clockOffsetMs).toISOString(),
      ...(rule === undefined ? {} : { policy: rule.policy, rule: rule.rule }),
      ...(action === "drop" ? { reason: dropReasons[flowEntryCodec.dropReason.get(view, 0)] ?? "none" } : {}),
      ...(interfaceName === undefined ? {} : { interface: interfaceName }),
      ...(tunnel === undefined ? {} : { tunnel }),
      ...(nexthop === undefined ? {} : { nexthop }),
      ...(mirror === undefined ? {} : { mirror }),
      ...(becomes === undefined ? {} : { translate: translationOf(key, becomes) }),
      ...labelFields(flowEntryCodec.label.get(view, 0)),
      generation: flowEntryCodec.generation.get(view, 0),
      reverse: endpoints(reverseKey(becomes ?? key)),
    };
  }
}
