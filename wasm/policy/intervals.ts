// SPDX-License-Identifier: Apache-2.0
/**
 * Finds the interval that a packet's value lies in (struct interval_index). No branch depends on the value: a
 * mispredicted one would cost more than the step.
 */

import { INTERVAL_INDEX_BOUNDS, INTERVAL_INDEX_COUNT } from "../layout";

/**
 * Number of the interval of `key`, in an index of 32-bit values. They lie in levels, sixteen to a line of the caches:
 * a step looks at one line, and one in 65 536 is found in four.
 */
export function interval32(base: usize, index: usize, key: u32): u32 {
  let level = base + load<u32>(index + INTERVAL_INDEX_BOUNDS);
  const count = load<u32>(index + INTERVAL_INDEX_COUNT);
  // Four bits of the number a level.
  let shift: u32 = (31 - <u32>clz((count - 1) | 1)) & ~3;
  const wanted = i32x4.splat(key);
  let found: u32 = 0;
  while (true) {
    const line = level + (found << 6);
    const low = i16x8.narrow_i32x4_s(
      i32x4.le_u(v128.load(line), wanted),
      i32x4.le_u(v128.load(line, 16), wanted),
    );
    const high = i16x8.narrow_i32x4_s(
      i32x4.le_u(v128.load(line, 32), wanted),
      i32x4.le_u(v128.load(line, 48), wanted),
    );
    const notAbove = popcnt<u32>(i8x16.bitmask(i8x16.narrow_i16x8_s(low, high)));
    const inLevel = ((count - 1) >> shift) + 1;
    // What fills the last line up is not above the highest value.
    found = min<u32>((found << 4) + notAbove - 1, inLevel - 1);
    if (shift == 0) return found;
    level += ((inLevel + 15) & ~15) << 2;
    shift -= 4;
  }
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
