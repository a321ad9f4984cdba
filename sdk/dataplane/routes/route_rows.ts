// SPDX-License-Identifier: Apache-2.0
import type { LabelTag } from "../kernel/label_tag.ts";
import { Numbers } from "./numbers.ts";

/** No row: the end of a chain, or a key without candidates. */
export const NO_ROW = -1;

/** What an owner wants of a route, as numbers. */
export interface RouteFields {
  /** Number of the owner's name. */
  readonly owner: number;
  /** Number of the name that it leads to. */
  readonly via: number;
  /** Label or VNI. */
  readonly tag: LabelTag;
  readonly rank: Rank;
}

/**
 * The preference that counts in the low 8 bits; above, whether the object states it, and whether the store is to have
 * the route.
 */
export type Rank = number;

const STATED = 1 << 8;
const DURABLE = 1 << 9;

export const rankOf = (preference: number, stated: boolean, durable: boolean): Rank =>
  preference | (stated ? STATED : 0) | (durable ? DURABLE : 0);

/** Candidates of routes, 20 bytes each, in chains: all of a key, the winner first. Rows never change once made. */
export class RouteRows {
  readonly #owner = new Numbers();
  readonly #via = new Numbers();
  readonly #tag = new Numbers();
  readonly #rank = new Numbers();
  /** The next candidate of the key; of a free row the next free one. */
  readonly #next = new Numbers();
  #free = NO_ROW;

  /** A new row. @param next the candidate behind it. */
  make({ owner, via, tag, rank }: RouteFields, next: number): number {
    let row = this.#free;
    if (row === NO_ROW) {
      row = this.#owner.length;
      this.#owner.push(owner);
      this.#via.push(via);
      this.#tag.push(tag);
      this.#rank.push(rank);
      this.#next.push(next);
      return row;
    }
    this.#free = this.#next.at(row);
    this.#owner.set(row, owner);
    this.#via.set(row, via);
    this.#tag.set(row, tag);
    this.#rank.set(row, rank);
    this.#next.set(row, next);
    return row;
  }

  /** Gives a row up. */
  free(row: number): void {
    this.#next.set(row, this.#free);
    this.#free = row;
  }

  owner(row: number): number {
    return this.#owner.at(row);
  }

  via(row: number): number {
    return this.#via.at(row);
  }

  tag(row: number): LabelTag {
    return this.#tag.at(row);
  }

  rank(row: number): Rank {
    return this.#rank.at(row);
  }

  next(row: number): number {
    return this.#next.at(row);
  }

  preference(row: number): number {
    return this.#rank.at(row) & 255;
  }

  isPreferenceStated(row: number): boolean {
    return (this.#rank.at(row) & STATED) !== 0;
  }

  isDurable(row: number): boolean {
    return (this.#rank.at(row) & DURABLE) !== 0;
  }

  fields(row: number): RouteFields {
    return { owner: this.owner(row), via: this.via(row), tag: this.tag(row), rank: this.rank(row) };
  }

  /** True when both say the same. */
  isSame(a: number, b: number): boolean {
    return (
      this.#owner.at(a) === this.#owner.at(b) &&
      this.#via.at(a) === this.#via.at(b) &&
      this.#tag.at(a) === this.#tag.at(b) &&
      this.#rank.at(a) === this.#rank.at(b)
    );
  }

  /** True when the row says that, whether durable or not. */
  says(row: number, via: number, tag: LabelTag, rank: Rank): boolean {
    return this.#via.at(row) === via && this.#tag.at(row) === tag && ((this.#rank.at(row) ^ rank) & ~DURABLE) === 0;
  }

  /** True when a row of the chain at `head` says the same as `row`. */
  has(head: number, row: number): boolean {
    for (let other = head; other !== NO_ROW; other = this.#next.at(other)) if (this.isSame(other, row)) return true;
    return false;
  }

  /** An owner's row in the chain at `head`; NO_ROW: it has none. */
  ofOwner(head: number, owner: number): number {
    let row = head;
    while (row !== NO_ROW && this.#owner.at(row) !== owner) row = this.#next.at(row);
    return row;
  }

  /** True when a row of the chain at `head` is to be in the store. */
  hasDurable(head: number): boolean {
    for (let row = head; row !== NO_ROW; row = this.#next.at(row)) if (this.isDurable(row)) return true;
    return false;
  }

  /** True when both chains say the same. */
  isSameChain(a: number, b: number): boolean {
    let [left, right] = [a, b];
    while (left !== right) {
      if (left === NO_ROW || right === NO_ROW || !this.isSame(left, right)) return false;
      left = this.#next.at(left);
      right = this.#next.at(right);
    }
    return true;
  }
}
