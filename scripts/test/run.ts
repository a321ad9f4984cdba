// SPDX-License-Identifier: Apache-2.0
/** Runs one group of test files in a process of its own. */

import { availableParallelism } from "node:os";
import { root } from "../root.ts";
import { type Counts, NONE, readCounts } from "./counts.ts";
import type { Group } from "./groups.ts";
import { findLeaks, type Snapshot, takeSnapshot } from "./leaks.ts";
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

/** Groups that run at the same time; `WEIR_TEST_LANES=1` where that is too much for the machine. */
const LANES = Number(process.env["WEIR_TEST_LANES"] ?? Math.min(2, availableParallelism()));

/** One instance of Weir that stays has dozens of parts. */
const SHOWN_LEAKS = 12;

/**
 * Runs a group with nothing beside it, and looks for what it leaves behind. Its output is shown while it comes.
 * @param options passed on to `bun test`, such as `-t NAME`
 */
export async function runAlone(group: Group, options: readonly string[]): Promise<Outcome> {
  const before = takeSnapshot();
  const outcome = await runGroup(group, options, (text) => process.stderr.write(text));
  return withComplaints(outcome, await leftBehind(before));
}

/**
 * Runs groups side by side, for most tests mostly wait. The output of each is shown when it ends. What they leave behind is
 * looked for once all have ended, and is nobody's own: namespaces and instances have the number of their process in their name.
 * @param show called before the output of a group.
 */
export async function runBeside(
  groups: readonly Group[],
  options: readonly string[],
  show: (group: Group) => void,
): Promise<Outcome[]> {
  const before = takeSnapshot();
  const waiting = [...groups];
  const outcomes: Outcome[] = [];
  const lane = async (): Promise<void> => {
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
      let output = "";
      const outcome = await runGroup(group, options, (text) => {
        output += text;
      });
      show(group);
      process.stderr.write(output);
      outcomes.push(outcome);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const complaints = await leftBehind(before);
  const [last] = outcomes.splice(-1);
  return last === undefined ? [] : [...outcomes, withComplaints(last, complaints)];
}

async function leftBehind(before: Snapshot): Promise<string[]> {
  const leaks = await findLeaks(before);
  return leaks.length === 0 ? [] : [`left behind: ${abridge(leaks)}`];
}

/** Each complaint is a failure that no test of the file stands for. */
function withComplaints(outcome: Outcome, added: readonly string[]): Outcome {
  const { counts, complaints } = outcome;
  return {
    ...outcome,
    counts: { ...counts, failed: counts.failed + added.length },
    complaints: [...complaints, ...added],
  };
}

async function runGroup(group: Group, options: readonly string[], write: (text: string) => void): Promise<Outcome> {
  const started = performance.now();
  const mark = `${process.pid} ${group.name}`;
  const files = group.files.map((file) => `./${file}`);
  const child = Bun.spawn([process.execPath, "test", `--timeout=${TEST_TIMEOUT_MS}`, ...options, ...files], {
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
  const output = await passOn(child.stderr, write);
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
  const seconds = (performance.now() - started) / 1000;
  return withComplaints({ group, counts, seconds, complaints: [] }, complaints);
}

function abridge(items: readonly string[]): string {
  const shown = items.slice(0, SHOWN_LEAKS).join(", ");
  return items.length > SHOWN_LEAKS ? `${shown} and ${items.length - SHOWN_LEAKS} more` : shown;
}

/** Shows the output while it comes. */
async function passOn(stream: ReadableStream<Uint8Array>, write: (text: string) => void): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    const part = decoder.decode(chunk, { stream: true });
    write(part);
    text += part;
  }
  return text + decoder.decode();
}
