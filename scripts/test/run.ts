// SPDX-License-Identifier: Apache-2.0
/** Runs one group of test files in a process of its own. */

import { root } from "../root.ts";
import { type Counts, NONE, readCounts } from "./counts.ts";
import type { Group } from "./groups.ts";
import { findLeaks, takeSnapshot } from "./leaks.ts";
import { endProcesses, findSurvivors, markedEnvironment } from "./processes.ts";

export interface Outcome {
  readonly group: Group;
  readonly counts: Counts;
  readonly seconds: number;
  /** Why the group failed, beyond its failed tests. */
  readonly complaints: readonly string[];
}

/** Leaves a killed test time to clean up in its signal handlers. */
const KILL_GRACE_MS = 5000;
/** For a single test; kernel tests start programs and wait for packets. */
const TEST_TIMEOUT_MS = 60_000;

/** Tests that say so (`describe.concurrent`) mostly wait, each with a lab of its own: two at once are not in each other's way. */
const BUN_OPTIONS = [`--timeout=${TEST_TIMEOUT_MS}`, "--max-concurrency=2"];

/** One instance of Weir that stays has dozens of parts. */
const SHOWN_LEAKS = 12;

/** @param options passed on to `bun test`, such as `-t NAME` */
export async function runGroup(group: Group, options: readonly string[]): Promise<Outcome> {
  const started = performance.now();
  const before = takeSnapshot();
  const mark = `${process.pid} ${group.name}`;
  const files = group.files.map((file) => `./${file}`);
  const child = Bun.spawn([process.execPath, "test", ...BUN_OPTIONS, ...options, ...files], {
    cwd: root(),
    env: markedEnvironment(mark),
    stdin: "ignore",
    stdout: "inherit",
    stderr: "pipe",
  });
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill("SIGTERM");
    setTimeout(() => child.kill("SIGKILL"), KILL_GRACE_MS).unref();
  }, group.timeoutMs);
  const output = await passOn(child.stderr);
  const status = await child.exited;
  clearTimeout(timer);

  const complaints: string[] = [];
  let counts = readCounts(output);
  if (timedOut) complaints.push(`ended after ${group.timeoutMs / 1000} s`);
  else if (counts === undefined)
    complaints.push(`the test process ended with ${child.signalCode ?? `status ${status}`}`);
  else if (status !== 0 && counts.failed === 0 && counts !== NONE)
    complaints.push(`status ${status} without a failed test`);
  counts ??= NONE;
  const survivors = await findSurvivors(mark);
  if (survivors.size > 0) complaints.push(`left running: ${[...survivors.values()].join(", ")}`);
  endProcesses(survivors.keys());
  const leaks = await findLeaks(before);
  if (leaks.length > 0) complaints.push(`left behind: ${abridge(leaks)}`);
  // Each complaint is a failure that no test of the file stands for.
  counts = { ...counts, failed: counts.failed + complaints.length };
  return { group, counts, seconds: (performance.now() - started) / 1000, complaints };
}

function abridge(items: readonly string[]): string {
  const shown = items.slice(0, SHOWN_LEAKS).join(", ");
  return items.length > SHOWN_LEAKS ? `${shown} and ${items.length - SHOWN_LEAKS} more` : shown;
}

/** Shows the output while it comes. */
async function passOn(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    process.stderr.write(chunk);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
