// SPDX-License-Identifier: Apache-2.0
/**
 * Finds the rules that match the packet that was parsed last (struct classifier). Each field's value selects a bitmap
 * of rules; the packet matches those in all of them. The bitmaps are walked together in the order of the rules, and a
 * part in which one of them is empty is passed over without looking at it.
 */

import {
  BITMAP_CHILDREN,
  BITMAP_LEAF_BITS,
  BITMAP_ROW_BITS,
  CLASSIFIER_DESTINATION,
  CLASSIFIER_DESTINATION_PORT,
  CLASSIFIER_PROTOCOL,
  CLASSIFIER_RULE_NEXT,
  CLASSIFIER_RULE_RULE,
  CLASSIFIER_RULE_SIZE,
  CLASSIFIER_RULES,
  CLASSIFIER_SIDE_ALLOWED,
  CLASSIFIER_SOURCE,
  CLASSIFIER_SOURCE_PORT,
  CLASSIFIER_WIDTH,
  INTERVAL_INDEX_ROWS,
  POLICY_SET_DESTINATION_MATCHES,
  POLICY_SET_SOURCE_MATCHES,
  PORT_FIELD_ICMP,
  PORT_FIELD_NONE,
} from "../layout";
import {
  destination0,
  destination1,
  destinationPort,
  family,
  hasPorts,
  icmp,
  protocol,
  source0,
  source1,
  sourcePort,
} from "../parse";
import { joinSets, matchSets } from "./address_sets";
import { interval32, interval128 } from "./intervals";
import { table } from "./table";

/** `nextMatch` found no rule. */
export const NO_RULE: u32 = ~0;

let classifier: usize = 0;
let width: u32 = 0;
/** Rows: addresses of __u32[width]. */
let sourceRow: usize = 0;
let destinationRow: usize = 0;
let protocolRow: usize = 0;
let sourcePortRow: usize = 0;
let destinationPortRow: usize = 0;
/** Of the sides whose address is in sets that rules name: rows of `allowed`, and the sets' rules. */
let sourceAllowed: usize = 0;
let sourceMatches: usize = 0;
let sourceMatchCount: u32 = 0;
let destinationAllowed: usize = 0;
let destinationMatches: usize = 0;
let destinationMatchCount: u32 = 0;

/** Where `joinSets` puts the leaves of the two sides. */
const sourceLeaf: usize = memory.data(64, 16);
const destinationLeaf: usize = memory.data(64, 16);

/** Looks the packet's fields up in the classifier at `address`. */
export function classify(address: usize): void {
  classifier = address;
  width = load<u32>(address + CLASSIFIER_WIDTH);
  const source = address + CLASSIFIER_SOURCE;
  const destination = address + CLASSIFIER_DESTINATION;
  const sourceInterval = addressInterval(source, source0, source1);
  const destinationInterval = addressInterval(destination, destination0, destination1);
  sourceRow = rowOf(source + INTERVAL_INDEX_ROWS, sourceInterval);
  destinationRow = rowOf(destination + INTERVAL_INDEX_ROWS, destinationInterval);
  protocolRow = valueRow(address + CLASSIFIER_PROTOCOL, protocol);
  sourcePortRow = valueRow(address + CLASSIFIER_SOURCE_PORT, hasPorts ? sourcePort : PORT_FIELD_NONE);
  // A later fragment of an ICMP packet has no type.
  const port = hasPorts ? destinationPort : icmp == ~0 ? PORT_FIELD_NONE : PORT_FIELD_ICMP | icmp;
  destinationPortRow = valueRow(address + CLASSIFIER_DESTINATION_PORT, port);

  sourceMatches = table + load<u32>(table + POLICY_SET_SOURCE_MATCHES);
  sourceMatchCount = matchSets(source, source0, source1, sourceMatches);
  if (sourceMatchCount != 0) sourceAllowed = rowOf(source + CLASSIFIER_SIDE_ALLOWED, sourceInterval);
  destinationMatches = table + load<u32>(table + POLICY_SET_DESTINATION_MATCHES);
  destinationMatchCount = matchSets(destination, destination0, destination1, destinationMatches);
  if (destinationMatchCount != 0) {
    destinationAllowed = rowOf(destination + CLASSIFIER_SIDE_ALLOWED, destinationInterval);
  }
}

function addressInterval(index: usize, half0: u64, half1: u64): u32 {
  if (family == 4) return interval32(table, index, bswap<u32>(<u32>(half1 >> 32)));
  return interval128(table, index, bswap<u64>(half0), bswap<u64>(half1));
}

function valueRow(index: usize, value: u32): usize {
  return rowOf(index + INTERVAL_INDEX_ROWS, interval32(table, index, value));
}

/** @param rows address of the field that tells where the rows are */
// @ts-ignore: decorator
@inline
function rowOf(rows: usize, interval: u32): usize {
  return table + load<u32>(rows) + ((interval * width) << 2);
}

/** Address of a leaf below a word of a row; 0: empty. */
// @ts-ignore: decorator
@inline
function leafOf(row: usize, word: u32, child: u32): usize {
  const node: usize = load<u32>(row + (word << 2));
  if (node == 0) return 0;
  const leaf: usize = load<u32>(table + node + (child << 2));
  return leaf == 0 ? 0 : table + leaf;
}

/** Number of the first rule from `from` on that matches the packet of `classify`, or NO_RULE. */
export function nextMatch(from: u32): u32 {
  let child = (from & (BITMAP_ROW_BITS - 1)) / BITMAP_LEAF_BITS;
  for (let word = from / BITMAP_ROW_BITS; word < width; word++) {
    for (; child < BITMAP_CHILDREN; child++) {
      // Addresses first: of all fields they leave the fewest rules.
      let destination = leafOf(destinationRow, word, child);
      if (destinationMatchCount != 0) {
        const allowed = leafOf(destinationAllowed, word, child);
        const n = destinationMatchCount;
        destination = joinSets(destination, allowed, destinationMatches, n, word, child, destinationLeaf);
      }
      if (destination == 0) continue;
      let source = leafOf(sourceRow, word, child);
      if (sourceMatchCount != 0) {
        const allowed = leafOf(sourceAllowed, word, child);
        source = joinSets(source, allowed, sourceMatches, sourceMatchCount, word, child, sourceLeaf);
      }
      if (source == 0) continue;
      const port = leafOf(destinationPortRow, word, child);
      if (port == 0) continue;
      const found = firstCommon(destination, source, port, word, child, from);
      if (found != NO_RULE) return found;
    }
    child = 0;
  }
  return NO_RULE;
}

/**
 * The first rule from `from` on that is in three leaves, and in those of the two other fields; these are looked at only
 * if the three have one in common.
 */
function firstCommon(destination: usize, source: usize, port: usize, word: u32, child: u32, from: u32): u32 {
  let v0 = v128.and(v128.load(destination), v128.load(source));
  let v1 = v128.and(v128.load(destination, 16), v128.load(source, 16));
  let v2 = v128.and(v128.load(destination, 32), v128.load(source, 32));
  let v3 = v128.and(v128.load(destination, 48), v128.load(source, 48));
  if (!v128.any_true(v128.or(v128.or(v0, v1), v128.or(v2, v3)))) return NO_RULE;
  v0 = v128.and(v0, v128.load(port));
  v1 = v128.and(v1, v128.load(port, 16));
  v2 = v128.and(v2, v128.load(port, 32));
  v3 = v128.and(v3, v128.load(port, 48));
  if (!v128.any_true(v128.or(v128.or(v0, v1), v128.or(v2, v3)))) return NO_RULE;
  const other = leafOf(sourcePortRow, word, child);
  const kind = leafOf(protocolRow, word, child);
  if (other == 0 || kind == 0) return NO_RULE;
  v0 = v128.and(v0, v128.and(v128.load(other), v128.load(kind)));
  v1 = v128.and(v1, v128.and(v128.load(other, 16), v128.load(kind, 16)));
  v2 = v128.and(v2, v128.and(v128.load(other, 32), v128.load(kind, 32)));
  v3 = v128.and(v3, v128.and(v128.load(other, 48), v128.load(kind, 48)));
  const first = (word * BITMAP_CHILDREN + child) * BITMAP_LEAF_BITS;
  let found = firstBit(v0, first, from);
  if (found == NO_RULE) found = firstBit(v1, first + 128, from);
  if (found == NO_RULE) found = firstBit(v2, first + 256, from);
  if (found == NO_RULE) found = firstBit(v3, first + 384, from);
  return found;
}

/** The first bit from number `from` on of 128, of which the first is number `first`. */
function firstBit(bits: v128, first: u32, from: u32): u32 {
  if (!v128.any_true(bits)) return NO_RULE;
  const low = fromOn(<u64>v128.extract_lane<i64>(bits, 0), first, from);
  if (low != 0) return first + <u32>ctz(low);
  const high = fromOn(<u64>v128.extract_lane<i64>(bits, 1), first + 64, from);
  return high == 0 ? NO_RULE : first + 64 + <u32>ctz(high);
}

/** The bits of 64, of which the first is number `first`, without those before number `from`. */
// @ts-ignore: decorator
@inline
function fromOn(bits: u64, first: u32, from: u32): u64 {
  if (from <= first) return bits;
  return from - first >= 64 ? 0 : bits & (<u64>~0 << (from - first));
}

/** Address of the struct policy_rule of a match. */
export function ruleAt(match: u32): usize {
  return table + load<u32>(entry(match) + CLASSIFIER_RULE_RULE);
}

/** Where to go on behind a match that passes to the next policy. */
export function passedTo(match: u32): u32 {
  return load<u32>(entry(match) + CLASSIFIER_RULE_NEXT);
}

// @ts-ignore: decorator
@inline
function entry(match: u32): usize {
  return table + load<u32>(classifier + CLASSIFIER_RULES) + match * CLASSIFIER_RULE_SIZE;
}
