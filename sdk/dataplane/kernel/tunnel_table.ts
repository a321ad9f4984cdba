// SPDX-License-Identifier: Apache-2.0
/** Which tunnel next hop a received packet belongs to, and where tunnels are counted. */
import { formatAddress } from "../../address.ts";
import { NexthopTypeValue, nexthopCodec } from "../../layout/index.ts";
import type { BpfMap } from "../../libbpf/index.ts";
import type { Undo } from "../state/undo.ts";
import { HashTable } from "./hash_table.ts";
import type { TunnelRecord } from "./nexthop_record.ts";
import type { NexthopTable } from "./nexthop_table.ts";
import { encodeTunnelKey } from "./overlay_records.ts";
import { encodeU32 } from "./records.ts";

/** Far end of a tunnel: what a received packet tells. */
type FarEnd = Pick<TunnelRecord, "encap" | "remote">;

const textOf = ({ encap, remote }: FarEnd): string => `${encap} ${formatAddress(remote.bytes)}`;

/** `tunnels` and `tunnel_counters`, whose index is the number of the next hop. */
export class TunnelTable {
  readonly #table: HashTable;
  readonly #counters: BpfMap;
  /** Tunnels with the same far end, by number; received packets belong to the first one. */
  readonly #byFarEnd = new Map<string, readonly number[]>();
  readonly #farEnds = new Map<number, FarEnd>();
  /** Numbers of the tunnels whose counters have begun. */
  readonly #counted = new Set<number>();

  constructor(tunnels: BpfMap, counters: BpfMap) {
    this.#table = new HashTable(tunnels);
    this.#counters = counters;
  }

  get size(): number {
    return this.#farEnds.size;
  }

  /** Takes over the counters of tunnels that an earlier process wrote. */
  adopt(nexthops: NexthopTable, ids: Iterable<number>): void {
    for (const id of ids) {
      const base = nexthops.at(id);
      const isTunnel = nexthopCodec.type.get(nexthops.view, base) === NexthopTypeValue.tunnel;
      if (isTunnel && nexthopCodec.counter.get(nexthops.view, base) === id) this.#counted.add(id);
    }
  }

  /** Lets the counters of a new tunnel begin at 0. */
  #count(id: number, undo: Undo): void {
    if (this.#counted.has(id)) return;
    this.#counters.update(encodeU32(id), new Uint8Array(this.#counters.valueBytes));
    this.#counted.add(id);
    undo.push(() => this.#counted.delete(id));
  }

  /** Says that received packets from this far end belong to the tunnel. */
  set(id: number, farEnd: FarEnd, undo: Undo): void {
    this.#count(id, undo);
    const before = this.#farEnds.get(id);
    if (before !== undefined && textOf(before) === textOf(farEnd)) return;
    this.#farEnds.set(id, farEnd);
    undo.push(() => {
      if (before === undefined) this.#farEnds.delete(id);
      else this.#farEnds.set(id, before);
    });
    this.#change(farEnd, (ids) => [...ids, id], undo);
    if (before !== undefined) this.#change(before, (ids) => ids.filter((other) => other !== id), undo);
  }

  /** The next hop is no tunnel any more. */
  drop(id: number, undo: Undo): void {
    const before = this.#farEnds.get(id);
    if (before === undefined) return;
    this.#farEnds.delete(id);
    undo.push(() => this.#farEnds.set(id, before));
    this.#change(before, (ids) => ids.filter((other) => other !== id), undo);
    if (this.#counted.delete(id)) undo.push(() => this.#counted.add(id));
  }

  #change(farEnd: FarEnd, change: (ids: readonly number[]) => readonly number[], undo: Undo): void {
    const text = textOf(farEnd);
    const before = this.#byFarEnd.get(text) ?? [];
    const after = change(before);
    this.#keep(text, after);
    undo.push(() => this.#keep(text, before));
    const key = encodeTunnelKey(farEnd.remote, farEnd.encap);
    if (after[0] === undefined) this.#table.delete(key, undo);
    else if (after[0] !== before[0]) this.#table.put(key, encodeU32(after[0]), undo);
  }

  #keep(text: string, ids: readonly number[]): void {
    if (ids.length === 0) this.#byFarEnd.delete(text);
    else this.#byFarEnd.set(text, ids);
  }

  /** Removes far ends that nobody wants, of an earlier process. */
  removeStrays(undo: Undo): void {
    const wanted = new Set(
      [...this.#farEnds.values()].map(({ encap, remote }) => encodeTunnelKey(remote, encap).join()),
    );
    for (const key of this.#table.keys()) if (!wanted.has(key.join())) this.#table.delete(key, undo);
  }
}
