// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import { assignBuckets, bucketCount, resizeBuckets, type WeightedMember } from "./buckets.ts";

const members = fc.uniqueArray(
  fc.record({ key: fc.string({ minLength: 1, maxLength: 4 }), weight: fc.integer({ min: 1, max: 10 }) }),
  { minLength: 2, maxLength: 12, selector: ({ key }) => key },
);

const fresh = (list: readonly WeightedMember[]): string[] =>
  assignBuckets(new Array(bucketCount(list.map(({ weight }) => weight))).fill(undefined), list, true);

const count = (buckets: readonly string[], key: string): number => buckets.filter((one) => one === key).length;

const share = (list: readonly WeightedMember[], key: string, size: number): number => {
  const total = list.reduce((sum, { weight }) => sum + weight, 0);
  return (size * (list.find((one) => one.key === key)?.weight ?? 0)) / total;
};

const moved = (before: readonly string[], after: readonly string[]): number[] =>
  [...before.keys()].filter((bucket) => before[bucket] !== after[bucket]);

test("every member has its share of the buckets, within one and within 2 % of its weight", () => {
  fc.assert(
    fc.property(members, (list) => {
      const buckets = fresh(list);
      for (const { key } of list) {
        const wanted = share(list, key, buckets.length);
        expect(Math.abs(count(buckets, key) - wanted)).toBeLessThan(1);
        expect(Math.abs(count(buckets, key) / wanted - 1)).toBeLessThan(0.02);
      }
    }),
  );
});

test("losing a member moves its own buckets and no other", () => {
  fc.assert(
    fc.property(members, fc.nat(), (list, which) => {
      const before = fresh(list);
      const lost = list[which % list.length]?.key;
      const left = list.filter(({ key }) => key !== lost);
      const after = assignBuckets(before, left, false);
      for (const bucket of moved(before, after)) expect(before[bucket]).toBe(lost as string);
      expect(after).not.toContain(lost);
    }),
  );
});

test("a lost member's buckets are shared by the others, by their weights", () => {
  fc.assert(
    fc.property(members, (list) => {
      const [lost, ...left] = list;
      const after = assignBuckets(fresh(list), left, false);
      for (const { key } of left) {
        if (lost === undefined) continue;
        expect(Math.abs(count(after, key) - share(left, key, after.length))).toBeLessThan(2);
      }
    }),
  );
});

test("a new member takes its own share and moves nothing else", () => {
  fc.assert(
    fc.property(members, (list) => {
      const [added, ...old] = list;
      if (added === undefined) return;
      const size = bucketCount(list.map(({ weight }) => weight));
      const before = assignBuckets(new Array(size).fill(undefined), old, true);
      const after = assignBuckets(before, list, true);
      for (const bucket of moved(before, after)) expect(after[bucket]).toBe(added.key);
      const wanted = share(list, added.key, size);
      expect(moved(before, after).length).toBeLessThan(wanted + 1);
      for (const { key } of list) {
        expect(Math.abs(count(after, key) - share(list, key, size))).toBeLessThanOrEqual(1);
      }
    }),
  );
});

test("what does not change moves nothing", () => {
  fc.assert(
    fc.property(members, (list) => {
      const buckets = fresh(list);
      expect(assignBuckets(buckets, list, true)).toEqual(buckets);
      expect(assignBuckets(buckets, [...list].reverse(), true)).toEqual(buckets);
    }),
  );
});

test("more buckets keep every flow where it is", () => {
  const buckets = ["a", "b", "b", "a"];
  const more = resizeBuckets(buckets, 16);
  for (let hash = 0; hash < 64; hash++) expect(more[hash % 16]).toBe(buckets[hash % 4] as string);
});

test("a single member needs few buckets, and many unequal ones get enough, but not without bound", () => {
  expect(bucketCount([5])).toBe(64);
  expect(bucketCount([1, 1])).toBe(128);
  expect(bucketCount([1, 2, 3])).toBe(512);
  expect(bucketCount(new Array(1024).fill(1))).toBe(8192);
});
