// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { highestLossless } from "./new_flows.ts";

const options = { lowest: 10_000, highest: 450_000, precision: 0.05 };

test("the search ends just below the rate at which packets are lost", async () => {
  const rate = await highestLossless(async (tried) => tried <= 123_456, options);
  expect(rate).toBeLessThanOrEqual(123_456);
  expect(rate).toBeGreaterThan(123_456 / 1.05);
});

test("the search ends at the highest rate if nothing is ever lost", async () => {
  expect(await highestLossless(async () => true, options)).toBe(450_000);
});

test("the answer is 0 if the lowest rate already loses", async () => {
  expect(await highestLossless(async () => false, options)).toBe(0);
});
