// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { mkdirSync, rmdirSync } from "node:fs";
import { findLeaks, takeSnapshot } from "./leaks.ts";
import { endProcesses, findSurvivors, markedEnvironment } from "./processes.ts";

test.skipIf(process.getuid?.() !== 0)(
  "what a test leaves is a leak, what was there before is none (needs root)",
  async () => {
    const before = takeSnapshot();
    const folder = `/run/weir/leak-test-${process.pid}`;
    mkdirSync(folder, { recursive: true });
    try {
      expect(await findLeaks(before, 0)).toContain(folder);
      expect(await findLeaks(takeSnapshot(), 0)).not.toContain(folder);
    } finally {
      rmdirSync(folder);
    }
  },
);

test("a process is found by its mark, and ended", async () => {
  const mark = `leak-test-${process.pid}`;
  const child = Bun.spawn(["sleep", "60"], { env: markedEnvironment(mark) });
  const survivors = await findSurvivors(mark, 0);
  expect([...survivors]).toEqual([[child.pid, "sleep 60"]]);
  endProcesses(survivors.keys());
  await child.exited;
  expect((await findSurvivors(mark)).size).toBe(0);
});
