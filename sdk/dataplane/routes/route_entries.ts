// SPDX-License-Identifier: Apache-2.0
import type { NameTable } from "./name_table.ts";
import { Numbers } from "./numbers.ts";
import { PackedPrefixes } from "./packed_prefixes.ts";
import { PrefixIndex } from "./prefix_index.ts";
import { NO_ROW } from "./route_rows.ts";

/** Heads from it on down are of free entries. */
const FREE = NO_ROW - 1;

/** Keys of routes, VRF and prefix, each with the head of its chain of candidates. An entry keeps its number while it is. */
export class RouteEntries {
  readonly prefixes = new PackedPrefixes();
  readonly #vrfs: NameTable;
  readonly #index = new PrefixIndex(this.prefixes);
  /** First row of each entry. Of a free one: FREE less the number of the next free one and 1. */
  readonly #heads = new Numbers();
  /** The first free entry, as a head that leads to it; FREE: there is none. */
  #free = FREE;

  /** @param vrfs names of the VRFs; the entries use them. */
  constructor(vrfs: NameTable) {
    this.#vrfs = vrfs;
  }

  /** All numbers that there were so far are below it. */
  get limit(): number {
    return this.prefixes.length;
  }

  /** First row of an entry; NO_ROW: it has no candidates. Less: there is no such entry. */
  head(entry: number): number {
    return this.#heads.at(entry);
  }

  setHead(entry: number, head: number): void {
    this.#heads.set(entry, head);
  }

  /** Makes room for so many more at once. */
  reserve(more: number): void {
    this.#index.reserve(more);
  }

  /** Entry of the prefix at `index` of a list, in the VRF `vrf`; -1: there is none. */
  find(prefixes: PackedPrefixes, index: number, vrf: number): number {
    return this.#index.find(prefixes, index, vrf);
  }

  /** A new entry, without candidates. */
  add(prefixes: PackedPrefixes, index: number, vrf: number): number {
    let entry = FREE - this.#free - 1;
    if (entry < 0) entry = this.#append();
    else this.#free = this.#heads.at(entry);
    this.#occupy(entry, prefixes, index, vrf);
    return entry;
  }

  /**
   * The entry of this number, with the first prefix of a list: a new one, if it is not there already. Only while all
   * entries come back with their numbers; `endRestore` follows.
   */
  restore(entry: number, prefixes: PackedPrefixes, vrf: number): void {
    while (this.limit <= entry) this.#append();
    if (this.head(entry) === FREE) this.#occupy(entry, prefixes, 0, vrf);
  }

  /** The entries between those that came back are free. */
  endRestore(): void {
    for (let entry = this.limit - 1; entry >= 0; entry--) if (this.head(entry) === FREE) this.#giveUp(entry);
  }

  #append(): number {
    this.#heads.push(FREE);
    return this.prefixes.pushEmpty();
  }

  #occupy(entry: number, prefixes: PackedPrefixes, index: number, vrf: number): void {
    this.prefixes.copy(entry, prefixes, index, vrf);
    this.#heads.set(entry, NO_ROW);
    this.#vrfs.use(vrf);
    this.#index.add(entry);
  }

  /** Takes an entry away that has no candidates any more. */
  remove(entry: number): void {
    this.#index.remove(entry);
    this.#vrfs.release(this.prefixes.vrf(entry));
    this.#giveUp(entry);
  }

  #giveUp(entry: number): void {
    this.#heads.set(entry, this.#free);
    this.#free = FREE - entry - 1;
  }
}
