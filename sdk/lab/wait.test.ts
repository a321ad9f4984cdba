// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { waitFor } from "./wait.ts";

test("waiting ends with the first value that is there, also one that is falsy but not false", async () => {
  let calls = 0;
  expect(await waitFor(() => (++calls < 3 ? undefined : 0), { intervalMs: 1 })).toBe(0);
  expect(calls).toBe(3);
  expect(await waitFor(async () => "late")).toBe("late");
});

test("waiting past the time-out says what for", async () => {
  await expect(waitFor(() => false, { timeoutMs: 5, intervalMs: 1, what: "a packet" })).rejects.toThrow(
    "Cannot wait for a packet: it did not come within 5 ms",
  );
});

test("an error of the predicate ends the waiting", async () => {
  await expect(
    waitFor(() => {
      throw new Error("broken");
    }),
  ).rejects.toThrow("broken");
});
