// SPDX-License-Identifier: Apache-2.0
/**
 * What becomes of the flows that are there when something changes. Where only their ways may be others, the kernel
 * programs find them with the flows' next packets (bpf/flow_move.h); what policy allows no more ends.
 */
import type { Family } from "../../address.ts";
import { FLOW_FLAG_CHOSEN, FlowActionValue, flowEntryCodec, type RawFlowKey } from "../../layout/index.ts";
import type { BpfMap } from "../../libbpf/index.ts";
import type { Maps } from "../kernel/tables.ts";
import type { StaleFlows } from "../reconcile/context.ts";
import { decodeFlowKey, encodeFlowKey } from "./codec.ts";
import type { DecisionRecords } from "./decision_records.ts";
import { changeEntries, type EntryChange } from "./entry_changes.ts";
import { type Stale, staleTest } from "./stale.ts";
import type { StillAllowed } from "./still_allowed.ts";

/** Entries that were being replaced are looked at again: that takes a kernel program some microseconds, or its time to run. */
const MOST_ROUNDS = 1000;

/** Looks through the flow tables after a change. */
export class Revalidation {
  readonly #maps: Readonly<Record<Family, BpfMap>>;
  readonly #records: DecisionRecords;
  readonly #stillAllowed: StillAllowed;

  constructor(maps: Maps, records: DecisionRecords, stillAllowed: StillAllowed) {
    this.#maps = { 4: maps.flows4, 6: maps.flows6 };
    this.#records = records;
    this.#stillAllowed = stillAllowed;
  }

  /** How many entries a change concerns. */
  count(changed: StaleFlows): number {
    const stale = this.#staleTest(changed);
    if (stale === undefined) return 0;
    let count = 0;
    for (const family of [4, 6] as const) {
      for (const { key, value } of this.#maps[family].entries()) {
        const { policy, way, over } = stale(decodeFlowKey(family, key), value);
        if (policy || way || over) count++;
      }
    }
    return count;
  }

  /** Does what a change asks for. @returns entries deleted */
  revalidate(changed: StaleFlows): number {
    const stale = this.#staleTest(changed);
    if (stale === undefined) return 0;
    const seen = new Set<number>();
    const kept = new Set<number>();
    let deleted = 0;
    for (const family of [4, 6] as const) {
      const map = this.#maps[family];
      const changes: EntryChange[] = [];
      for (const { key: bytes, value } of map.entries()) {
        const key = decodeFlowKey(family, bytes);
        const change = this.#changeOf(stale, changed, key, value, kept);
        if (change === undefined || (seen.has(change.generation) && change.gone === undefined)) continue;
        seen.add(change.generation);
        changes.push(change);
      }
      let results = changeEntries(this.#records, changes);
      deleted += results.deleted;
      for (let round = 0; results.late.length > 0 && round < MOST_ROUNDS; round++) {
        const again = results.late.flatMap(({ key }) => this.#again(stale, changed, key));
        results = changeEntries(this.#records, again);
        deleted += results.deleted;
      }
    }
    return deleted;
  }

  /** What is to be done about an entry as it is by now. */
  #again(stale: (key: RawFlowKey, value: Uint8Array) => Stale, changed: StaleFlows, key: RawFlowKey): EntryChange[] {
    const map = this.#maps[key.family];
    const value = new Uint8Array(map.valueBytes);
    const change = map.lookup(encodeFlowKey(key), value)
      ? this.#changeOf(stale, changed, key, value, new Set())
      : undefined;
    return change === undefined ? [] : [change];
  }

  /** @param kept generations of which it is known that policy allows them as before. */
  #changeOf(
    stale: (key: RawFlowKey, value: Uint8Array) => Stale,
    changed: StaleFlows,
    key: RawFlowKey,
    value: Uint8Array,
    kept: Set<number>,
  ): EntryChange | undefined {
    const { policy, way, over } = stale(key, value);
    if (!(policy || way || over)) return undefined;
    const entry = new DataView(value.buffer, value.byteOffset, value.byteLength);
    const generation = flowEntryCodec.generation.get(entry, 0);
    const ended: EntryChange = { operation: "delete", key, generation };
    if (over) return ended;
    if (policy && !kept.has(generation)) {
      if (!this.#stillAllowed.keeps(this.#maps[key.family], key, value)) return ended;
      kept.add(generation);
    }
    if (!way) return undefined;
    // Only what routes led somewhere do they lead elsewhere.
    const routed = flowEntryCodec.action.get(entry, 0) === FlowActionValue.forward;
    if (!routed || (flowEntryCodec.flags.get(entry, 0) & FLOW_FLAG_CHOSEN) !== 0) return ended;
    const ingress = flowEntryCodec.ingress.get(entry, 0);
    return { operation: "reroute", key, generation, ...(changed.gone.has(ingress) ? { gone: ingress } : {}) };
  }

  /** `undefined`: no entry can be concerned. */
  #staleTest(changed: StaleFlows): ((key: RawFlowKey, value: Uint8Array) => Stale) | undefined {
    const empty = Object.values(this.#maps).every((map) => !map.nextKey(null, new Uint8Array(map.keySize)));
    return empty ? undefined : staleTest(changed, (entry) => this.#stillAllowed.ends(entry));
  }
}
