// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { highestLossless } from "./rate_search.ts";

const options = { lowest: 10_000, highest: 450_000, precision: 0.05 };

/** Loses packets above `capacity`; the generator does no more than `generator`. */
function attempts(capacity: number, generator = Number.POSITIVE_INFINITY) {
  const tried: number[] = [];
  const attempt = async (asked: number) => {
    tried.push(asked);
    const rate = Math.min(asked, generator);
    return { lost: rate > capacity ? 1 : 0, rate };
  };
  return { tried, attempt };
}

for (const start of [undefined, 10_000, 60_000, 120_000, 125_000, 450_000]) {
  test(`a search that begins at ${start ?? "the lowest rate"} ends just below the rate at which packets are lost`, async () => {
    const { attempt, tried } = attempts(123_456);
    const found = await highestLossless(attempt, start === undefined ? options : { ...options, start });
    expect(found.limit).toBe("loss");
    expect(found.rate).toBeLessThanOrEqual(123_456);
    expect(Math.min(...tried.filter((rate) => rate > 123_456))).toBeLessThanOrEqual(found.rate * 1.05);
  });
}

test("an earlier answer leaves few rates to be tried", async () => {
  const { attempt, tried } = attempts(123_456);
  await highestLossless(attempt, { ...options, start: 120_000 });
  expect(tried.length).toBeLessThanOrEqual(4);
});

test("the search ends at the highest rate if nothing is ever lost", async () => {
  expect(await highestLossless(attempts(1e9).attempt, options)).toEqual({ rate: 450_000, limit: "range" });
});

test("the answer is 0 if the lowest rate already loses", async () => {
  const { attempt } = attempts(0);
  expect(await highestLossless(attempt, { ...options, start: 200_000 })).toEqual({ rate: 0, limit: "loss" });
});

test("a generator at its limit is told apart from a loss", async () => {
  const { attempt } = attempts(1e9, 321_000);
  expect(await highestLossless(attempt, options)).toEqual({ rate: 321_000, limit: "generator" });
});
