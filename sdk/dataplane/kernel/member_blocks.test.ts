// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import { MemberBlocks } from "./member_blocks.ts";
import type { MemberRange } from "./nexthop_record.ts";

test("ranges that are given out never overlap, and all of the array can be given out again", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 60 }),
      fc.array(fc.nat(), { maxLength: 60 }),
      (sizes, order) => {
        const blocks = new MemberBlocks(256);
        const taken: MemberRange[] = [];
        for (const [i, size] of sizes.entries()) {
          try {
            taken.push(blocks.take(size));
          } catch {
            expect(blocks.used + size).toBeGreaterThan(20);
          }
          const gone = order[i];
          if (gone !== undefined && gone % 3 === 0 && taken.length > 0) {
            for (const range of taken.splice(gone % taken.length, 1)) blocks.release(range);
          }
          const sorted = [...taken].sort((a, b) => a.first - b.first);
          for (const [at, range] of sorted.entries()) {
            const end = range.first + range.count;
            expect(end).toBeLessThanOrEqual(sorted[at + 1]?.first ?? 256);
          }
          expect(blocks.used).toBe(taken.reduce((sum, { count }) => sum + count, 0));
        }
        for (const range of taken) blocks.release(range);
        expect(blocks.take(256)).toEqual({ first: 0, count: 256 });
      },
    ),
  );
});

test("a range that was given back is used again as late as possible", () => {
  const blocks = new MemberBlocks(64);
  const first = blocks.take(16);
  blocks.release(first);
  expect(blocks.take(16).first).toBe(16);
  expect(blocks.take(32).first).toBe(32);
  expect(blocks.take(16)).toEqual(first);
  expect(blocks.used).toBe(64);
});

test("a range in use can be reserved once", () => {
  const blocks = new MemberBlocks(64);
  expect(blocks.reserve({ first: 8, count: 8 })).toBe(true);
  expect(blocks.reserve({ first: 12, count: 8 })).toBe(false);
  expect(blocks.reserve({ first: 60, count: 8 })).toBe(false);
  expect(blocks.take(16).first).toBe(16);
});

test("an array that is full says so", () => {
  const blocks = new MemberBlocks(8);
  blocks.take(8);
  expect(() => blocks.take(1)).toThrow("the table of members holds 8");
});
