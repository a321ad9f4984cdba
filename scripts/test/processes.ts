// SPDX-License-Identifier: Apache-2.0
/** Processes that a test started and did not end. */

import { readdirSync, readFileSync } from "node:fs";

/** Descendants inherit it, also those that leave their process group. */
const MARK = "WEIR_TEST_GROUP";

/** Environment for a test process: what descends from it is found again by `mark`. */
export function markedEnvironment(mark: string): Record<string, string | undefined> {
  return { ...process.env, [MARK]: mark };
}

/** Those that are asked to end while the test process ends need a moment. */
const GRACE_MS = 1000;
const RETRY_MS = 50;

/** Processes with the mark that do not end by themselves soon: their ids and command lines. */
export async function findSurvivors(mark: string, graceMs: number = GRACE_MS): Promise<Map<number, string>> {
  const deadline = performance.now() + graceMs;
  for (;;) {
    const found = markedProcesses(mark);
    if (found.size === 0 || performance.now() >= deadline) return found;
    await Bun.sleep(RETRY_MS);
  }
}

function markedProcesses(mark: string): Map<number, string> {
  const found = new Map<number, string>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const environment = read(`/proc/${entry}/environ`).split("\0");
    if (!environment.includes(`${MARK}=${mark}`)) continue;
    found.set(Number(entry), read(`/proc/${entry}/cmdline`).split("\0").join(" ").trim());
  }
  return found;
}

/** Ends what a test left running, so that it does not disturb the next one. */
export function endProcesses(ids: Iterable<number>): void {
  for (const id of ids) {
    try {
      process.kill(id, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
}

/** Empty for a process that has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
