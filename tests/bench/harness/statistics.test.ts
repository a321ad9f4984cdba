// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { median, pairedRatios, spread } from "./statistics.ts";

test("the median of an odd number of samples is the middle one, whatever their order", () => {
  expect(median([9, 1, 5])).toBe(5);
});

test("the median of an even number of samples lies between the two in the middle", () => {
  expect(median([4, 1, 2, 100])).toBe(3);
});

test("no samples have no median", () => {
  expect(median([])).toBeNaN();
});

test("the spread is the smallest and the largest sample", () => {
  expect(spread([3, 1, 2])).toEqual({ low: 1, high: 3 });
});

test("ratios are taken within a round and only of rounds that both have", () => {
  expect(pairedRatios([10, 9, 8], [5, 3])).toEqual([2, 3]);
});
