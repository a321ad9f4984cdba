// SPDX-License-Identifier: Apache-2.0
/**
 * Finds the interval that a packet's value lies in (struct interval_index). The loops have no branch that depends on
 * the value: a mispredicted one would cost more than the step.
 */

import { INTERVAL_INDEX_BOUNDS, INTERVAL_INDEX_COUNT } from "../layout";

/** Number of the interval of `key`, in an index of 32-bit values. */
export function interval32(base: usize, index: usize, key: u32): u32 {
  const bounds = base + load<u32>(index + INTERVAL_INDEX_BOUNDS);
  let count = load<u32>(index + INTERVAL_INDEX_COUNT);
  let first: u32 = 0;
  while (count > 1) {
    const half = count >> 1;
    first = select<u32>(first + half, first, load<u32>(bounds + ((first + half) << 2)) <= key);
    count -= half;
  }
  return first;
}

/** The same in an index of 128-bit values; the halves as numbers. */
export function interval128(base: usize, index: usize, high: u64, low: u64): u32 {
  const bounds = base + load<u32>(index + INTERVAL_INDEX_BOUNDS);
  let count = load<u32>(index + INTERVAL_INDEX_COUNT);
  let first: u32 = 0;
  while (count > 1) {
    const half = count >> 1;
    const at = bounds + ((first + half) << 4);
    const boundHigh = load<u64>(at);
    const notAbove = <u32>(boundHigh < high) | (<u32>(boundHigh == high) & <u32>(load<u64>(at, 8) <= low));
    first = select<u32>(first + half, first, notAbove != 0);
    count -= half;
  }
  return first;
}
