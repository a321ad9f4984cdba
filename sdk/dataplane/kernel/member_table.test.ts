// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { memberCodec, memberLayout, nexthopLayout } from "../../layout/index.ts";
import { Undo } from "../state/undo.ts";
import { labelTag } from "./label_tag.ts";
import { MemberTable, type TableChange, type WeightedRecord } from "./member_table.ts";
import type { MemberRange } from "./nexthop_record.ts";
import { NexthopTable } from "./nexthop_table.ts";

const LENGTH = 2048;

class Bench {
  readonly memory = new ArrayBuffer(LENGTH * memberLayout.size);
  readonly table = new MemberTable(this.memory, LENGTH);
  readonly view = new DataView(this.memory);

  /** Next hops by bucket. */
  read({ first, count }: MemberRange): number[] {
    return Array.from({ length: count }, (_, i) => memberCodec.nexthop.get(this.view, (first + i) * memberLayout.size));
  }

  /** A change that is kept. */
  kept<T>(act: (change: TableChange) => T): T {
    const change: TableChange = { undo: new Undo(), retire: [] };
    const result = act(change);
    for (const step of change.retire) step();
    return result;
  }
}

const member = (nexthop: number, weight = 1, tag = 0): WeightedRecord => ({ nexthop, tag, weight });
const changed = (a: readonly number[], b: readonly number[]) => [...a.keys()].filter((i) => a[i] !== b[i]);

describe("an ecmp's buckets", () => {
  test("stay where they are when nothing changes", () => {
    const bench = new Bench();
    const members = [member(1), member(2)];
    const first = bench.kept((change) => bench.table.buckets(7, members, change));
    expect(bench.kept((change) => bench.table.buckets(7, [...members].reverse(), change))).toEqual(first);
  });

  test("are elsewhere when a member is lost, with only its own changed, and the old ones are given back", () => {
    const bench = new Bench();
    const before = bench.kept((change) =>
      bench.table.buckets(
        7,
        [1, 2, 3, 4].map((id) => member(id)),
        change,
      ),
    );
    const was = bench.read(before);
    const after = bench.kept((change) =>
      bench.table.buckets(
        7,
        [1, 2, 4].map((id) => member(id)),
        change,
      ),
    );
    expect(after.first).not.toBe(before.first);
    for (const bucket of changed(was, bench.read(after))) expect(was[bucket]).toBe(3);
    expect(bench.table.used).toBe(after.count);
  });

  test("grow without moving a flow, and do not shrink", () => {
    const bench = new Bench();
    const small = bench.kept((change) => bench.table.buckets(7, [member(1), member(2)], change));
    const was = bench.read(small);
    const members = [1, 2, 3, 4, 5].map((id) => member(id));
    const large = bench.kept((change) => bench.table.buckets(7, members, change));
    expect(large.count).toBeGreaterThan(small.count);
    for (const [bucket, nexthop] of bench.read(large).entries()) {
      if (nexthop <= 2) expect(nexthop).toBe(was[bucket % was.length] as number);
    }
    expect(bench.kept((change) => bench.table.buckets(7, members.slice(0, 2), change)).count).toBe(large.count);
  });

  test("follow new weights", () => {
    const bench = new Bench();
    bench.kept((change) => bench.table.buckets(7, [member(1), member(2)], change));
    const range = bench.kept((change) => bench.table.buckets(7, [member(1, 3), member(2)], change));
    const own = bench.read(range).filter((nexthop) => nexthop === 1);
    expect(own.length / range.count).toBeCloseTo(0.75, 2);
  });

  test("begin as those of the next hop that they take the place of", () => {
    const bench = new Bench();
    const model = bench.read(
      bench.kept((change) =>
        bench.table.buckets(
          7,
          [1, 2, 3].map((id) => member(id)),
          change,
        ),
      ),
    );
    const range = bench.kept((change) => bench.table.buckets(8, [member(1), member(3)], change, 7));
    const now = bench.read(range);
    for (const [bucket, nexthop] of now.entries()) {
      const was = model[bucket % model.length];
      if (was !== 2) expect(nexthop).toBe(was as number);
    }
  });

  test("are taken back with the change", () => {
    const bench = new Bench();
    const before = bench.kept((change) => bench.table.buckets(7, [member(1), member(2)], change));
    const undo = new Undo();
    bench.table.buckets(7, [member(1)], { undo, retire: [] });
    undo.run();
    expect(bench.table.used).toBe(before.count);
    expect(bench.kept((change) => bench.table.buckets(7, [member(1), member(2)], change))).toEqual(before);
  });

  test("outlive the process: a new one takes them over, and moves none", () => {
    const bench = new Bench();
    const members = [member(1, 1, labelTag({ vni: 9 })), member(2, 2, labelTag({ label: 99 }))];
    const range = bench.kept((change) => bench.table.buckets(7, members, change));
    const nexthops = new NexthopTable(new ArrayBuffer(16 * nexthopLayout.size), 16);
    nexthops.set({ id: 7, type: "ecmp", members: range }, new Undo());
    const next = new MemberTable(bench.memory, LENGTH);
    next.adopt(nexthops, [3, 7]);
    expect(next.used).toBe(range.count);
    expect(bench.kept((change) => next.buckets(7, members, change))).toEqual(range);
  });
});

test("a next hop that goes over to other members shows no packet more than either had", () => {
  const nexthops = new NexthopTable(new ArrayBuffer(16 * nexthopLayout.size), 16);
  const undo = new Undo();
  nexthops.set({ id: 3, type: "flood", members: { first: 100, count: 5 } }, undo);
  nexthops.set({ id: 3, type: "flood", members: { first: 8, count: 2 } }, undo);
  expect(nexthops.membersOf(3)).toEqual({ first: 8, count: 2 });
  undo.run();
  expect(nexthops.membersOf(3)).toEqual({ first: 0, count: 0 });
});
