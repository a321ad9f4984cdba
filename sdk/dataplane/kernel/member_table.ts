// SPDX-License-Identifier: Apache-2.0
/** Members of ecmp and flood next hops. */
import { memberCodec, memberLayout, NexthopTypeValue, nexthopCodec } from "../../layout/index.ts";
import type { Undo } from "../state/undo.ts";
import { assignBuckets, bucketCount, resizeBuckets } from "./buckets.ts";
import { type LabelTag, labelOf, routeFlagsOf, tagOf } from "./label_tag.ts";
import { MemberBlocks } from "./member_blocks.ts";
import type { MemberRange } from "./nexthop_record.ts";
import type { NexthopTable } from "./nexthop_table.ts";
import { StructArray } from "./struct_array.ts";

/** A next hop, and the label or VNI that its packets get in place of the route's. */
export interface MemberRecord {
  /** Number of the next hop. */
  readonly nexthop: number;
  readonly tag: LabelTag;
}

/** A member of an ecmp next hop. */
export interface WeightedRecord extends MemberRecord {
  readonly weight: number;
}

/** What a next hop has in the table. */
interface Held {
  readonly range: MemberRange;
  /** Weights by member; `undefined`: not known, since an earlier process wrote them. */
  readonly weights: ReadonlyMap<string, number> | undefined;
}

const keyOf = ({ nexthop, tag }: MemberRecord): string => `${nexthop} ${tag}`;

/** Types of next hops that have members. */
const WITH_MEMBERS: ReadonlySet<number> = new Set([NexthopTypeValue.ecmp, NexthopTypeValue.flood]);

/** `members`. A change is a new range, to which the next hop goes over; the old one is given back when that is kept. */
export class MemberTable {
  readonly #members: StructArray;
  readonly #blocks: MemberBlocks;
  readonly #held = new Map<number, Held>();

  constructor(memory: ArrayBuffer, length: number) {
    this.#members = new StructArray(memory, memberLayout.size, length);
    this.#blocks = new MemberBlocks(length);
  }

  get used(): number {
    return this.#blocks.used;
  }

  get length(): number {
    return this.#members.length;
  }

  /** Takes over the ranges of next hops that an earlier process wrote. */
  adopt(nexthops: NexthopTable, ids: Iterable<number>): void {
    for (const id of ids) {
      if (!WITH_MEMBERS.has(nexthopCodec.type.get(nexthops.view, nexthops.at(id)))) continue;
      const range = nexthops.membersOf(id);
      if (this.#blocks.reserve(range)) this.#held.set(id, { range, weights: undefined });
    }
  }

  /**
   * Buckets for an ecmp next hop: as they are where nothing changed, else a new range in which as few as possible
   * have another member.
   * @param from next hop whose buckets are the model where `id` has none.
   */
  buckets(id: number, members: readonly WeightedRecord[], change: TableChange, from?: number): MemberRange {
    if (members.length === 0) return this.#none(id, change);
    const held = this.#held.get(id);
    const model = held ?? (from === undefined ? undefined : this.#held.get(from));
    const before = model === undefined ? [undefined] : this.#keysIn(model.range);
    const weights = new Map(members.map((member) => [keyOf(member), member.weight]));
    const wanted = bucketCount([...weights.values()]);
    const size = Math.max(wanted, held === undefined ? 0 : before.length);
    const known = model?.weights ?? new Map(before.map((key) => [key, undefined]));
    const rebalance = [...weights].some(([key, weight]) => !known.has(key) || (known.get(key) ?? weight) !== weight);
    const buckets = assignBuckets(
      resizeBuckets(before, size),
      [...weights].map(([key, weight]) => ({ key, weight })),
      rebalance,
    );
    if (held !== undefined && sameList(before, buckets)) {
      this.#hold(id, { range: held.range, weights }, change.undo);
      return held.range;
    }
    const byKey = new Map(members.map((member) => [keyOf(member), member]));
    const records = buckets.flatMap((key) => byKey.get(key) ?? []);
    return this.#write(id, records, weights, change);
  }

  /** Members of a flood next hop, in their order. */
  list(id: number, members: readonly MemberRecord[], change: TableChange): MemberRange {
    if (members.length === 0) return this.#none(id, change);
    const held = this.#held.get(id);
    if (held !== undefined && sameList(this.#keysIn(held.range), members.map(keyOf))) return held.range;
    return this.#write(id, members, undefined, change);
  }

  /**
   * The member of an ecmp next hop that a flow goes to; the next one that is alive where its own is not.
   * @param hash of the flow; need not be the kernel's.
   */
  choose({ first, count }: MemberRange, hash: number, isAlive: (nexthop: number) => boolean): MemberRecord | undefined {
    for (let i = 0; i < count; i++) {
      const base = this.#members.at(first + ((hash + i) % count));
      const nexthop = memberCodec.nexthop.get(this.#members.view, base);
      if (!isAlive(nexthop)) continue;
      const { view } = this.#members;
      return { nexthop, tag: tagOf(memberCodec.label.get(view, base), memberCodec.flags.get(view, base)) };
    }
    return undefined;
  }

  /** Members of a next hop, with the number of their buckets; none for others. */
  shares(id: number): Map<number, number> {
    const shares = new Map<number, number>();
    const { first, count } = this.#held.get(id)?.range ?? { first: 0, count: 0 };
    for (let i = first; i < first + count; i++) {
      const nexthop = memberCodec.nexthop.get(this.#members.view, this.#members.at(i));
      shares.set(nexthop, (shares.get(nexthop) ?? 0) + 1);
    }
    return shares;
  }

  /** A next hop has no members any more: what it had is given back when the change is kept. */
  drop(id: number, { undo, retire }: TableChange): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    this.#held.delete(id);
    undo.push(() => this.#held.set(id, held));
    retire.push(() => this.#blocks.release(held.range));
  }

  #none(id: number, change: TableChange): MemberRange {
    this.drop(id, change);
    return { first: 0, count: 0 };
  }

  #write(
    id: number,
    members: readonly MemberRecord[],
    weights: ReadonlyMap<string, number> | undefined,
    { undo, retire }: TableChange,
  ): MemberRange {
    const before = this.#held.get(id);
    const range = this.#blocks.take(members.length);
    undo.push(() => this.#blocks.release(range));
    for (const [i, { nexthop, tag }] of members.entries()) {
      const base = this.#members.at(range.first + i);
      this.#members.bytes.fill(0, base, base + memberLayout.size);
      memberCodec.nexthop.set(this.#members.view, base, nexthop);
      memberCodec.label.set(this.#members.view, base, labelOf(tag));
      memberCodec.flags.set(this.#members.view, base, routeFlagsOf(tag));
    }
    this.#hold(id, { range, weights }, undo);
    if (before !== undefined) retire.push(() => this.#blocks.release(before.range));
    return range;
  }

  #hold(id: number, held: Held, undo: Undo): void {
    const before = this.#held.get(id);
    undo.push(() => {
      if (before === undefined) this.#held.delete(id);
      else this.#held.set(id, before);
    });
    this.#held.set(id, held);
  }

  #keysIn({ first, count }: MemberRange): string[] {
    return Array.from({ length: count }, (_, i) => {
      const base = this.#members.at(first + i);
      const { view } = this.#members;
      const tag = tagOf(memberCodec.label.get(view, base), memberCodec.flags.get(view, base));
      return keyOf({ nexthop: memberCodec.nexthop.get(view, base), tag });
    });
  }
}

/** How a change is taken back, and what is done once it is kept. */
export interface TableChange {
  readonly undo: Undo;
  readonly retire: (() => void)[];
}

function sameList(a: readonly (string | undefined)[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((key, i) => key === b[i]);
}
