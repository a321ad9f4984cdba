// SPDX-License-Identifier: Apache-2.0
/** Gives out ranges of an array. Pure. */
import { WeirError } from "../../errors.ts";
import { APPLY_STATE } from "../schema/index.ts";
import type { MemberRange } from "./nexthop_record.ts";

/**
 * Free ranges of an array, in order. A range is looked for behind the last one that was given out, so that one that
 * was just given back, and that a packet under way may still read, is used again as late as possible.
 */
export class MemberBlocks {
  readonly #size: number;
  #free: MemberRange[];
  #next = 0;
  #used = 0;

  /** @param size elements of the array. */
  constructor(size: number) {
    this.#size = size;
    this.#free = [{ first: 0, count: size }];
  }

  /** Elements that are given out. */
  get used(): number {
    return this.#used;
  }

  /** A range of `count` elements, at least 1. @throws WeirError `ETABLEFULL` */
  take(count: number): MemberRange {
    const startIn = (range: MemberRange) => Math.max(range.first, this.#next);
    let index = this.#free.findIndex((range) => range.first + range.count - startIn(range) >= count);
    if (index < 0) {
      this.#next = 0;
      index = this.#free.findIndex((range) => range.count >= count);
    }
    const range = this.#free[index];
    if (range === undefined) {
      throw new WeirError({
        code: "ETABLEFULL",
        operation: APPLY_STATE,
        reason: `the table of members holds ${this.#size}, and has no room for ${count} more of an ecmp or flood next hop`,
        hint: "start the instance with a larger node.limits.nexthops",
      });
    }
    const taken = { first: startIn(range), count };
    this.#cut(index, taken);
    this.#next = taken.first + count;
    return taken;
  }

  /** Takes a range that is in use already. False when it is not free: then nothing changes. */
  reserve(wanted: MemberRange): boolean {
    const end = wanted.first + wanted.count;
    const index = this.#free.findIndex(({ first, count }) => first <= wanted.first && end <= first + count);
    if (index < 0 || wanted.count === 0) return false;
    this.#cut(index, wanted);
    return true;
  }

  /** Gives back a range that was taken or reserved. */
  release({ first, count }: MemberRange): void {
    this.#used -= count;
    let index = this.#free.findIndex((range) => range.first > first);
    if (index < 0) index = this.#free.length;
    const before = this.#free[index - 1];
    const after = this.#free[index];
    const joinsBefore = before !== undefined && before.first + before.count === first;
    const joinsAfter = after !== undefined && first + count === after.first;
    const range = {
      first: joinsBefore ? before.first : first,
      count: count + (joinsBefore ? before.count : 0) + (joinsAfter ? after.count : 0),
    };
    this.#free.splice(index - Number(joinsBefore), Number(joinsBefore) + Number(joinsAfter), range);
  }

  /** Takes a part out of a free range. */
  #cut(index: number, { first, count }: MemberRange): void {
    const range = this.#free[index];
    if (range === undefined) return;
    const rest = [
      { first: range.first, count: first - range.first },
      { first: first + count, count: range.first + range.count - first - count },
    ];
    this.#free.splice(index, 1, ...rest.filter((part) => part.count > 0));
    this.#used += count;
  }
}
