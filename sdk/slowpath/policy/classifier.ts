// SPDX-License-Identifier: Apache-2.0
/** Writes a struct classifier: the rules of a policy set for one direction and family. */

import {
  classifierCodec,
  classifierLayout,
  classifierRuleCodec,
  classifierRuleLayout,
  classifierSideCodec,
  setRulesCodec,
  setRulesLayout,
} from "../../layout/index.ts";
import { Bitmap, type Item, rowWidth, writeIntervalIndex } from "./interval_index.ts";
import type { NodePool } from "./node_pool.ts";
import type { ReadRule, Side } from "./rules.ts";
import { type Domain, PORT, PROTOCOL, type Span, type Value } from "./spans.ts";
import type { TableImage } from "./table_image.ts";
import type { DirectionName } from "./types.ts";

/** A rule and where its struct policy_rule is. */
export interface PlacedRule {
  readonly rule: ReadRule;
  readonly offset: number;
}

/** A rule as one classifier has it. */
export interface Entry extends PlacedRule {
  readonly source: Side;
  readonly destination: Side;
}

/** The values of a side in one family. */
export interface FamilyOf<V extends Value> {
  readonly family: 4 | 6;
  readonly domain: Domain<V>;
  readonly taken: (side: Side) => readonly Span<V>[];
  readonly allowed: (side: Side) => readonly Span<V>[];
}

/** The rules that can match packets of a direction and family, in their order. */
export function entriesOf<V extends Value>(
  rules: readonly PlacedRule[],
  direction: DirectionName,
  { family, taken }: FamilyOf<V>,
): Entry[] {
  const matchable = (side: Side) => side.sets.length > 0 || taken(side).length > 0;
  return rules.flatMap(({ rule, offset }) => {
    const sides = rule.sides[direction];
    if (sides === undefined || (rule.family !== 0 && rule.family !== family)) return [];
    return matchable(sides.source) && matchable(sides.destination) ? [{ rule, offset, ...sides }] : [];
  });
}

/** True if two classifiers would be the same. */
export function sameEntries(a: readonly Entry[], b: readonly Entry[]): boolean {
  return (
    a.length === b.length &&
    a.every((entry, i) => {
      const other = b[i];
      return (
        other !== undefined &&
        entry.rule === other.rule &&
        entry.source === other.source &&
        entry.destination === other.destination
      );
    })
  );
}

/**
 * Writes the classifier of some rules.
 * @returns its offset; 0 where there are none
 */
export function writeClassifier<V extends Value>(
  image: TableImage,
  pool: NodePool,
  entries: readonly Entry[],
  family: FamilyOf<V>,
): number {
  if (entries.length === 0) return 0;
  const count = entries.length;
  const base = image.take(classifierLayout.size);
  const rules = writeRules(image, entries);
  const values = (field: number, domain: Domain<number>, spans: (rule: ReadRule) => readonly Span<number>[]): void => {
    writeIntervalIndex(image, pool, base + field, domain, count, [itemsOf(entries, ({ rule }) => spans(rule))]);
  };
  values(classifierCodec.protocol.offset, PROTOCOL, (rule) => rule.protocols);
  values(classifierCodec.sourcePort.offset, PORT, (rule) => rule.sourcePorts);
  values(classifierCodec.destinationPort.offset, PORT, (rule) => rule.destinationPorts);
  writeSide(
    image,
    pool,
    classifierCodec.source.at(base),
    entries.map((entry) => entry.source),
    family,
  );
  writeSide(
    image,
    pool,
    classifierCodec.destination.at(base),
    entries.map((entry) => entry.destination),
    family,
  );
  classifierCodec.ruleCount.set(image.view, base, count);
  classifierCodec.width.set(image.view, base, rowWidth(count));
  classifierCodec.rules.set(image.view, base, rules);
  return base;
}

/** Rules that take the same values are one item. */
function itemsOf<T, V extends Value>(all: readonly T[], spans: (one: T) => readonly Span<V>[]): Item<V>[] {
  const members = new Map<readonly Span<V>[], number[]>();
  for (const [i, one] of all.entries()) {
    const list = spans(one);
    const same = members.get(list);
    if (same === undefined) members.set(list, [i]);
    else same.push(i);
  }
  return [...members].map(([list, numbers]) => ({ spans: list, members: numbers }));
}

function writeRules(image: TableImage, entries: readonly Entry[]): number {
  const at = image.take(entries.length * classifierRuleLayout.size);
  const { view } = image;
  let next = entries.length;
  for (let i = entries.length - 1; i >= 0; i--) {
    const entry = entries[i];
    if (entry === undefined) continue;
    const following = entries[i + 1];
    if (following !== undefined && following.rule.policy !== entry.rule.policy) next = i + 1;
    const base = at + i * classifierRuleLayout.size;
    classifierRuleCodec.rule.set(view, base, entry.offset);
    classifierRuleCodec.next.set(view, base, next);
  }
  return at;
}

function writeSide<V extends Value>(
  image: TableImage,
  pool: NodePool,
  base: number,
  sides: readonly Side[],
  { domain, taken, allowed }: FamilyOf<V>,
): void {
  const bySet = new Map<number, number[]>();
  for (const [i, { sets }] of sides.entries()) {
    for (const set of sets) {
      const rules = bySet.get(set);
      if (rules === undefined) bySet.set(set, [i]);
      else rules.push(i);
    }
  }
  const none: readonly Span<V>[] = [];
  const lists = [itemsOf(sides, taken)];
  if (bySet.size > 0) lists.push(itemsOf(sides, (side) => (side.sets.length > 0 ? allowed(side) : none)));
  const [, allowedRows = 0] = writeIntervalIndex(
    image,
    pool,
    base + classifierSideCodec.index.offset,
    domain,
    sides.length,
    lists,
  );
  const sets = writeSets(image, pool, sides.length, bySet);
  classifierSideCodec.allowed.set(image.view, base, allowedRows);
  classifierSideCodec.setCount.set(image.view, base, bySet.size);
  classifierSideCodec.sets.set(image.view, base, sets);
}

/** The rules of each set, by its number. */
function writeSets(
  image: TableImage,
  pool: NodePool,
  members: number,
  bySet: ReadonlyMap<number, readonly number[]>,
): number {
  const at = image.take(bySet.size * setRulesLayout.size);
  const ascending = [...bySet].sort(([a], [b]) => a - b);
  for (const [i, [set, rules]] of ascending.entries()) {
    const bitmap = new Bitmap(pool, members);
    bitmap.toggle(rules);
    bitmap.store();
    const row = image.take(bitmap.row.byteLength);
    image.words.set(bitmap.row, row >> 2);
    const base = at + i * setRulesLayout.size;
    setRulesCodec.set.set(image.view, base, set);
    setRulesCodec.row.set(image.view, base, row);
  }
  return at;
}
