// SPDX-License-Identifier: Apache-2.0
/**
 * What becomes of the flows that are there when something changes. Where only their ways may be others, the kernel
 * programs find them with the flows' next packets (bpf/flow_move.h); what policy allows no more ends.
 */
import type { Family } from "../../address.ts";
import {
  FLOW_FLAG_CHOSEN,
  FlowActionValue,
  flowEntryCodec,
  NexthopTypeValue,
  nexthopCodec,
  type RawFlowKey,
} from "../../layout/index.ts";
import type { BpfMap } from "../../libbpf/index.ts";
import type { KernelTables, Maps } from "../kernel/tables.ts";
import type { StaleFlows } from "../reconcile/context.ts";
import { decodeFlowKey, encodeFlowKey } from "./codec.ts";
import type { DecisionRecords } from "./decision_records.ts";
import { changeEntries, type EntryChange } from "./entry_changes.ts";
import type { PolicyReview } from "./policy_review.ts";
import { type Stale, staleTest } from "./stale.ts";

/** Entries that were being replaced are looked at again: that takes a kernel program some microseconds, or its time to run. */
const MOST_ROUNDS = 1000;

type Test = (key: RawFlowKey, value: Uint8Array) => Stale;

/** Looks through the flow tables after a change. */
export class Revalidation {
  readonly #maps: Readonly<Record<Family, BpfMap>>;
  readonly #tables: Pick<KernelTables, "nexthops">;
  readonly #records: DecisionRecords;
  readonly #policy: PolicyReview;

  constructor(maps: Maps, tables: Pick<KernelTables, "nexthops">, records: DecisionRecords, policy: PolicyReview) {
    this.#maps = { 4: maps.flows4, 6: maps.flows6 };
    this.#tables = tables;
    this.#records = records;
    this.#policy = policy;
  }

  /** How many entries a change concerns; those that it concerns in two ways may count twice. */
  count(changed: StaleFlows): number {
    let count = this.#policy.count(changed);
    const stale = this.#staleTest(changed);
    if (stale === undefined) return count;
    for (const family of [4, 6] as const) {
      for (const { key, value } of this.#maps[family].entries()) {
        const { way, over } = stale(decodeFlowKey(family, key), value);
        if (way || over) count++;
      }
    }
    return count;
  }

  /** Does what a change asks for. @returns entries deleted */
  revalidate(changed: StaleFlows): number {
    const deleted = this.#policy.run(changed);
    const stale = this.#staleTest(changed);
    return stale === undefined ? deleted : deleted + this.#findWays(stale, changed);
  }

  /** Has flows look for their ways, and ends those that cannot go on. @returns entries deleted */
  #findWays(stale: Test, changed: StaleFlows): number {
    /** By generation: what has been asked for of the pair. */
    const asked = new Map<number, EntryChange["operation"]>();
    let deleted = 0;
    for (const family of [4, 6] as const) {
      const map = this.#maps[family];
      const changes: EntryChange[] = [];
      for (const { key: bytes, value } of map.entries()) {
        const key = decodeFlowKey(family, bytes);
        const change = this.#changeOf(stale, changed, key, value);
        if (change === undefined) continue;
        const already = asked.get(change.generation);
        if (already === "delete" || (already === change.operation && change.gone === undefined)) continue;
        asked.set(change.generation, change.operation);
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
  #again(stale: Test, changed: StaleFlows, key: RawFlowKey): EntryChange[] {
    const map = this.#maps[key.family];
    const value = new Uint8Array(map.valueBytes);
    const change = map.lookup(encodeFlowKey(key), value) ? this.#changeOf(stale, changed, key, value) : undefined;
    return change === undefined ? [] : [change];
  }

  #changeOf(stale: Test, changed: StaleFlows, key: RawFlowKey, value: Uint8Array): EntryChange | undefined {
    const { way, over } = stale(key, value);
    if (!(way || over)) return undefined;
    const entry = new DataView(value.buffer, value.byteOffset, value.byteLength);
    const generation = flowEntryCodec.generation.get(entry, 0);
    const action = flowEntryCodec.action.get(entry, 0);
    const sends = action === FlowActionValue.forward || action === FlowActionValue.nat;
    if (over || !sends || this.#lostItsChoice(changed, entry)) return { operation: "delete", key, generation };
    const ingress = flowEntryCodec.ingress.get(entry, 0);
    return { operation: "reroute", key, generation, ...(changed.gone.has(ingress) ? { gone: ingress } : {}) };
  }

  /** Whether the next hop that the controller chose for the direction is another one now, or none. */
  #lostItsChoice({ nexthops }: StaleFlows, entry: DataView): boolean {
    if ((flowEntryCodec.flags.get(entry, 0) & FLOW_FLAG_CHOSEN) === 0) return false;
    const id = flowEntryCodec.nexthop.get(entry, 0);
    const records = this.#tables.nexthops;
    return nexthops.has(id) || nexthopCodec.type.get(records.view, records.at(id)) === NexthopTypeValue.none;
  }

  /** `undefined`: no entry can be concerned. */
  #staleTest(changed: StaleFlows): Test | undefined {
    const empty = Object.values(this.#maps).every((map) => !map.nextKey(null, new Uint8Array(map.keySize)));
    return empty ? undefined : staleTest(changed, this.#tables);
  }
}
