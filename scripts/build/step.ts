// SPDX-License-Identifier: Apache-2.0
/** A build step that runs only when the content of its inputs changed since its last success. */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { root } from "../root.ts";

export interface Step {
  readonly name: string;
  /** Globs below the root of the repository. Paths, contents and the step's own sources decide. */
  readonly inputs: readonly string[];
  /** Paths below the root; if one is missing the step runs. */
  readonly outputs: readonly string[];
  run(): void | Promise<void>;
}

const STAMPS = root("build/stamps.json");
/** Tests are no part of what is built, and a broken link in node_modules is nobody's input. */
const NOT_INPUT = /\.test\.ts$|(^|\/)node_modules\//;

/** Runs the steps in order; `say` gets one line for each that had something to do. */
export async function build(steps: readonly Step[], say: (line: string) => void): Promise<void> {
  for (const step of steps) {
    const stamps = readStamps();
    if (stamps[step.name] === hashInputs(step) && step.outputs.every((path) => existsSync(root(path)))) continue;
    const started = performance.now();
    await step.run();
    // Hashed again: a step may write one of its own inputs (the generated layouts).
    stamps[step.name] = hashInputs(step);
    mkdirSync(root("build"), { recursive: true });
    writeFileSync(STAMPS, `${JSON.stringify(stamps, null, 2)}\n`);
    say(`${step.name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  }
}

function readStamps(): Record<string, string> {
  if (!existsSync(STAMPS)) return {};
  try {
    return JSON.parse(readFileSync(STAMPS, "utf8")) as Record<string, string>;
  } catch {
    // Cut short by a full disk or a kill: build everything again.
    return {};
  }
}

function hashInputs(step: Step): string {
  const hash = createHash("sha256");
  for (const pattern of step.inputs) {
    const paths = [...new Bun.Glob(pattern).scanSync({ cwd: root() })].filter((path) => !NOT_INPUT.test(path)).sort();
    for (const path of paths) hash.update(`${path}\0`).update(readFileSync(root(path)));
  }
  return hash.digest("hex");
}
