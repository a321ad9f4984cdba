// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { RealtimeBudget, WINDOW_NS } from "./realtime_budget.ts";

describe("what a thread may use in real time", () => {
  test("is looked at once a window", () => {
    const budget = new RealtimeBudget(false, 1000, 0);
    expect(budget.isDue(1000 + WINDOW_NS - 1)).toBe(false);
    expect(budget.isDue(1000 + WINDOW_NS)).toBe(true);
    budget.renew(1000 + WINDOW_NS, 10);
    expect(budget.isDue(1000 + WINDOW_NS + 1)).toBe(false);
  });

  test("is nine tenths of the CPU that it is bound to", () => {
    const budget = new RealtimeBudget(true, 0, 0);
    expect(budget.renew(WINDOW_NS, 0.9 * WINDOW_NS)).toBe(true);
    expect(budget.renew(2 * WINDOW_NS, 1.81 * WINDOW_NS)).toBe(false);
  });

  test("is half of a CPU where there are others to go to", () => {
    const budget = new RealtimeBudget(false, 0, 0);
    expect(budget.renew(WINDOW_NS, 0.5 * WINDOW_NS)).toBe(true);
    expect(budget.renew(2 * WINDOW_NS, 1.01 * WINDOW_NS)).toBe(false);
  });

  test("is there again once the thread has slept", () => {
    const budget = new RealtimeBudget(false, 0, 0);
    expect(budget.renew(WINDOW_NS, WINDOW_NS)).toBe(false);
    expect(budget.renew(3 * WINDOW_NS, 2 * WINDOW_NS)).toBe(true);
  });
});
