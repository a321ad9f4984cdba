// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { busyShare, Patience, parseCpuTimes } from "./quiet.ts";

const STAT = "cpu  100 5 50 800 20 1 4 20 0 0\ncpu0 50 2 25 400 10 0 2 10 0 0\n";

test("time in idle and in iowait is no work, stolen time is", () => {
  expect(parseCpuTimes(STAT)).toEqual({ total: 1000, idle: 820 });
});

test("the busy share is that between two readings", () => {
  expect(busyShare({ total: 1000, idle: 820 }, { total: 1100, idle: 895 })).toBe(0.25);
});

test("two equal readings mean that nothing was busy", () => {
  expect(busyShare({ total: 1000, idle: 820 }, { total: 1000, idle: 820 })).toBe(0);
});

test("waiting ends with patience, and there is nothing to tell before", async () => {
  const patience = new Patience(0);
  expect(patience.note).toBeUndefined();
  await patience.wait();
});
