// SPDX-License-Identifier: Apache-2.0
import type { PackedPrefixes } from "./packed_prefixes.ts";

/** A slot that no prefix is in. Else: the prefix's position in the list and 1. */
const EMPTY = 0;

/** Where in a list each prefix is: open addressing with linear probing, at most half full. */
export class PrefixIndex {
  readonly #prefixes: PackedPrefixes;
  #slots = new Int32Array(16);
  #size = 0;

  constructor(prefixes: PackedPrefixes) {
    this.#prefixes = prefixes;
  }

  /** An index of all that are in the list. */
  static of(prefixes: PackedPrefixes): PrefixIndex {
    const index = new PrefixIndex(prefixes);
    index.reserve(prefixes.length);
    for (let i = 0; i < prefixes.length; i++) {
      if (index.find(prefixes, i, prefixes.vrf(i)) < 0) index.add(i);
    }
    return index;
  }

  /** Makes room for so many more at once. */
  reserve(more: number): void {
    let slots = this.#slots.length;
    while (2 * (this.#size + more) > slots) slots *= 2;
    if (slots === this.#slots.length) return;
    const old = this.#slots;
    this.#slots = new Int32Array(slots);
    for (const slot of old) if (slot !== EMPTY) this.#place(slot - 1);
  }

  /** Position of the prefix at `at` of another list in the VRF `vrf`; -1: it is not there. */
  find(other: PackedPrefixes, at: number, vrf: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = other.hash(at, vrf) & mask; ; slot = (slot + 1) & mask) {
      const found = slots[slot] ?? EMPTY;
      if (found === EMPTY) return -1;
      if (this.#prefixes.equals(found - 1, other, at, vrf)) return found - 1;
    }
  }

  /** Adds the prefix at a position; it must not be there. */
  add(position: number): void {
    this.reserve(1);
    this.#size++;
    this.#place(position);
  }

  #place(position: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = this.#home(position);
    while (slots[slot] !== EMPTY) slot = (slot + 1) & mask;
    slots[slot] = position + 1;
  }

  #home(position: number): number {
    return this.#prefixes.hash(position, this.#prefixes.vrf(position)) & (this.#slots.length - 1);
  }

  /** Takes the prefix at a position away; it must be there, and its numbers be the same still. */
  remove(position: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hole = this.#home(position);
    while (slots[hole] !== position + 1) hole = (hole + 1) & mask;
    this.#size--;
    // Those behind that would not be found across the hole move into it.
    for (let slot = (hole + 1) & mask; ; slot = (slot + 1) & mask) {
      const moved = slots[slot] ?? EMPTY;
      if (moved === EMPTY) break;
      const distance = (slot - this.#home(moved - 1)) & mask;
      if (distance < ((slot - hole) & mask)) continue;
      slots[hole] = moved;
      hole = slot;
    }
    slots[hole] = EMPTY;
  }
}
