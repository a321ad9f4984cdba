// SPDX-License-Identifier: Apache-2.0
/**
 * Builds a struct interval_index: which of `count` members (rules, or address sets) take a value of a field.
 *
 * The values are swept once, from 0 up. Where members begin or end to take values, their bits are turned over, and
 * the leaves that they lie in are stored anew; all others are those of the interval before. A bound costs a leaf and
 * an inner node for each 512 members that change there, whatever the number of members that overlap: memory and time
 * grow with the number of spans, not with its product with that of the members.
 */

import { BITMAP_LEAF_BITS, BITMAP_ROW_BITS, intervalIndexCodec } from "../../layout/index.ts";
import { NODE_WORDS, type NodePool } from "./node_pool.ts";
import type { Domain, Span, Value } from "./spans.ts";
import type { TableImage } from "./table_image.ts";

/** The values that some members take. */
export interface Item<V extends Value> {
  /** Joined: see spans.ts. */
  readonly spans: readonly Span<V>[];
  /** Numbers of the members. No member is in two items. */
  readonly members: readonly number[];
}

/** 32-bit bounds in a line of the caches. */
const LINE_BOUNDS = 16;

/** Words of a row for so many members; at least one. */
export const rowWidth = (members: number): number => Math.max(Math.ceil(members / BITMAP_ROW_BITS), 1);

/** A bitmap that changes bit by bit, and is stored as a tree whenever it is asked for. */
export class Bitmap {
  readonly #pool: NodePool;
  readonly #bits: Uint32Array;
  readonly #leaves: Uint32Array;
  /** Offsets of the inner nodes, as of the last `store`. */
  readonly row: Uint32Array;
  readonly #isDirty: Uint8Array;
  readonly #dirty: number[] = [];

  constructor(pool: NodePool, members: number) {
    this.#pool = pool;
    const width = rowWidth(members);
    this.row = new Uint32Array(width);
    this.#leaves = new Uint32Array(width * NODE_WORDS);
    this.#bits = new Uint32Array(this.#leaves.length * NODE_WORDS);
    this.#isDirty = new Uint8Array(this.#leaves.length);
  }

  toggle(members: readonly number[]): void {
    for (const member of members) {
      const word = member >>> 5;
      this.#bits[word] = (this.#bits[word] ?? 0) ^ (1 << (member & 31));
      const leaf = Math.floor(member / BITMAP_LEAF_BITS);
      if (this.#isDirty[leaf] === 0) {
        this.#isDirty[leaf] = 1;
        this.#dirty.push(leaf);
      }
    }
  }

  /** Brings `row` up to date. True if it changed. */
  store(): boolean {
    if (this.#dirty.length === 0) return false;
    const changed = new Set<number>();
    for (const leaf of this.#dirty) {
      this.#isDirty[leaf] = 0;
      const offset = this.#pool.intern(this.#bits, leaf * NODE_WORDS);
      if (offset === this.#leaves[leaf]) continue;
      this.#leaves[leaf] = offset;
      changed.add(Math.floor(leaf / NODE_WORDS));
    }
    this.#dirty.length = 0;
    for (const word of changed) this.row[word] = this.#pool.intern(this.#leaves, word * NODE_WORDS);
    return changed.size > 0;
  }
}

/** Bounds and rows as they are found. */
interface Sweep<V extends Value> {
  readonly bounds: V[];
  /** One array of rows for each list of items. */
  readonly rows: number[][];
}

/**
 * Writes the index at `base`.
 * @param lists the items whose rows belong to the index, and others that share its bounds
 * @returns offset of the rows of each list
 */
export function writeIntervalIndex<V extends Value>(
  image: TableImage,
  pool: NodePool,
  base: number,
  domain: Domain<V>,
  members: number,
  lists: readonly (readonly Item<V>[])[],
): number[] {
  const { bounds, rows } = sweep(pool, domain, members, lists);
  const boundsAt = domain.boundBytes === 4 ? writeLevels(image, bounds) : writeBounds(image, bounds);
  const offsets = rows.map((list) => {
    const at = image.take(list.length * 4);
    image.words.set(list, at >> 2);
    return at;
  });
  intervalIndexCodec.count.set(image.view, base, bounds.length);
  intervalIndexCodec.bounds.set(image.view, base, boundsAt);
  intervalIndexCodec.rows.set(image.view, base, offsets[0] ?? 0);
  return offsets;
}

/** 32-bit bounds: see struct interval_index. The highest level comes first. */
function writeLevels(image: TableImage, bounds: readonly Value[]): number {
  let first: number | undefined;
  let step = 1;
  while (step * LINE_BOUNDS < bounds.length) step *= LINE_BOUNDS;
  for (; step >= 1; step /= LINE_BOUNDS) {
    const count = Math.ceil(bounds.length / step);
    const line = LINE_BOUNDS * 4;
    const at = image.take(Math.ceil(count / LINE_BOUNDS) * line, line);
    first ??= at;
    image.words.fill(0xffff_ffff, at >> 2, (at >> 2) + Math.ceil(count / LINE_BOUNDS) * LINE_BOUNDS);
    for (let i = 0; i < count; i++) image.words[(at >> 2) + i] = Number(bounds[i * step]);
  }
  return first ?? 0;
}

/** 128-bit bounds. */
function writeBounds(image: TableImage, bounds: readonly Value[]): number {
  const at = image.take(bounds.length * 16);
  for (const [i, bound] of bounds.entries()) {
    image.view.setBigUint64(at + i * 16, BigInt(bound) >> 64n, true);
    image.view.setBigUint64(at + i * 16 + 8, BigInt.asUintN(64, BigInt(bound)), true);
  }
  return at;
}

function sweep<V extends Value>(
  pool: NodePool,
  domain: Domain<V>,
  members: number,
  lists: readonly (readonly Item<V>[])[],
): Sweep<V> {
  const bitmaps = lists.map(() => new Bitmap(pool, members));
  const result: Sweep<V> = { bounds: [], rows: lists.map(() => []) };
  for (const { value, turns } of eventsOf(domain, lists)) {
    for (const { list, members: turned } of turns) bitmaps[list]?.toggle(turned);
    const changed = bitmaps.map((bitmap) => bitmap.store());
    if (result.bounds.length > 0 && !changed.includes(true)) continue;
    result.bounds.push(value);
    for (const [i, { row }] of bitmaps.entries()) for (const node of row) result.rows[i]?.push(node);
  }
  return result;
}

/** Members that begin or end to take values. */
interface Turn {
  readonly list: number;
  readonly members: readonly number[];
}

interface Event<V extends Value> {
  readonly value: V;
  readonly turns: Turn[];
}

function byItsValue<V extends Value>({ value: a }: Event<V>, { value: b }: Event<V>): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What happens at each bound, in their order; there is always one at 0. */
function eventsOf<V extends Value>(domain: Domain<V>, lists: readonly (readonly Item<V>[])[]): Event<V>[] {
  const byValue = new Map<V, Event<V>>([[domain.zero, { value: domain.zero, turns: [] }]]);
  const add = (value: V, turn: Turn): void => {
    if (value === domain.end) return;
    const event = byValue.get(value);
    if (event === undefined) byValue.set(value, { value, turns: [turn] });
    else event.turns.push(turn);
  };
  for (const [list, items] of lists.entries()) {
    for (const { spans, members } of items) {
      const turn = { list, members };
      for (const { first, end } of spans) {
        add(first, turn);
        add(end, turn);
      }
    }
  }
  return [...byValue.values()].sort(byItsValue);
}
