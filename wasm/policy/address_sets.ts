// SPDX-License-Identifier: Apache-2.0
/**
 * The address sets that hold an address (struct address_sets), and the rules that name them. They are joined with the
 * rules of a side's own prefixes leaf by leaf, and only where the packet's other fields leave a rule to be matched.
 */

import {
  ADDRESS_SETS_IPV4,
  ADDRESS_SETS_IPV6,
  ADDRESS_SETS_WIDTH,
  BITMAP_CHILDREN,
  BITMAP_LEAF_BITS,
  CLASSIFIER_SIDE_SET_COUNT,
  CLASSIFIER_SIDE_SETS,
  INTERVAL_INDEX_ROWS,
  SET_RULES_ROW,
  SET_RULES_SET,
  SET_RULES_SIZE,
} from "../layout";
import { family } from "../parse";
import { interval32, interval128 } from "./intervals";
import { addressSets, table } from "./table";

/**
 * Collects the rows of rules of the sets that hold the address and that the side's rules name.
 * @param matches where to write them: __u32[]
 * @return how many
 */
export function matchSets(side: usize, half0: u64, half1: u64, matches: usize): u32 {
  const count = load<u32>(side + CLASSIFIER_SIDE_SET_COUNT);
  if (count == 0 || addressSets == 0) return 0;
  const known = table + load<u32>(side + CLASSIFIER_SIDE_SETS);
  const index = addressSets + (family == 4 ? ADDRESS_SETS_IPV4 : ADDRESS_SETS_IPV6);
  const interval =
    family == 4
      ? interval32(addressSets, index, bswap<u32>(<u32>(half1 >> 32)))
      : interval128(addressSets, index, bswap<u64>(half0), bswap<u64>(half1));
  const width = load<u32>(addressSets + ADDRESS_SETS_WIDTH);
  const row = addressSets + load<u32>(index + INTERVAL_INDEX_ROWS) + ((interval * width) << 2);
  let found: u32 = 0;
  for (let word: u32 = 0; word < width; word++) {
    const node: usize = load<u32>(row + (word << 2));
    if (node == 0) continue;
    for (let child: u32 = 0; child < BITMAP_CHILDREN; child++) {
      const leaf: usize = load<u32>(addressSets + node + (child << 2));
      if (leaf == 0) continue;
      const first = (word * BITMAP_CHILDREN + child) * BITMAP_LEAF_BITS;
      for (let bit: u32 = 0; bit < BITMAP_LEAF_BITS; bit += 64) {
        let bits = load<u64>(addressSets + leaf + (bit >> 3));
        for (; bits != 0; bits &= bits - 1) {
          const at = findSet(known, count, first + bit + <u32>ctz(bits));
          if (at == 0) continue;
          store<u32>(matches + (found << 2), load<u32>(at + SET_RULES_ROW));
          found++;
        }
      }
    }
  }
  return found;
}

/** Address of the struct set_rules of a set; 0: no rule names it. */
function findSet(known: usize, count: u32, set: u32): usize {
  let first: u32 = 0;
  while (count > 1) {
    const half = count >> 1;
    const at = known + (first + half) * SET_RULES_SIZE;
    first = select<u32>(first + half, first, load<u32>(at + SET_RULES_SET) <= set);
    count -= half;
  }
  const at = known + first * SET_RULES_SIZE;
  return load<u32>(at + SET_RULES_SET) == set ? at : 0;
}

/**
 * One leaf of a side: `own` (rules whose prefixes hold the address), and those of the sets as far as `allowed` takes
 * them: their exceptions do not hold the address. Both are addresses of leaves, 0 for empty ones.
 * @param joined 64 bytes for the result, where it is none of the leaves that are there
 * @return address of the leaf; 0: empty
 */
export function joinSets(
  own: usize,
  allowed: usize,
  matches: usize,
  count: u32,
  word: u32,
  child: u32,
  joined: usize,
): usize {
  if (allowed == 0) return own;
  let v0 = i64x2.splat(0);
  let v1 = v0;
  let v2 = v0;
  let v3 = v0;
  for (let i: u32 = 0; i < count; i++) {
    const node: usize = load<u32>(table + load<u32>(matches + (i << 2)) + (word << 2));
    if (node == 0) continue;
    const leaf: usize = load<u32>(table + node + (child << 2));
    if (leaf == 0) continue;
    v0 = v128.or(v0, v128.load(table + leaf));
    v1 = v128.or(v1, v128.load(table + leaf, 16));
    v2 = v128.or(v2, v128.load(table + leaf, 32));
    v3 = v128.or(v3, v128.load(table + leaf, 48));
  }
  v0 = v128.and(v0, v128.load(allowed));
  v1 = v128.and(v1, v128.load(allowed, 16));
  v2 = v128.and(v2, v128.load(allowed, 32));
  v3 = v128.and(v3, v128.load(allowed, 48));
  if (!v128.any_true(v128.or(v128.or(v0, v1), v128.or(v2, v3)))) return own;
  if (own != 0) {
    v0 = v128.or(v0, v128.load(own));
    v1 = v128.or(v1, v128.load(own, 16));
    v2 = v128.or(v2, v128.load(own, 32));
    v3 = v128.or(v3, v128.load(own, 48));
  }
  v128.store(joined, v0);
  v128.store(joined, v1, 16);
  v128.store(joined, v2, 32);
  v128.store(joined, v3, 48);
  return joined;
}
