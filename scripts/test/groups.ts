// SPDX-License-Identifier: Apache-2.0
/** Which test files there are, and which run together. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../root.ts";

/** Test files that share one process. */
export interface Group {
  readonly name: string;
  readonly files: readonly string[];
  /** Needs root, namespaces and BPF: at least one such test must really have run. */
  readonly kernel: boolean;
  /** Nothing runs beside it. */
  readonly alone: boolean;
  /** The process is ended after this long, and counts as one failure. */
  readonly timeoutMs: number;
}

/** In the head of a test file that measures time, or looks at the whole machine. */
const ALONE = /^\/\/ Runs alone: /m;

const UNIT_TIMEOUT_MS = 5 * 60_000;
/** An emulated CPU needs longer. */
const FILE_TIMEOUT_MS = (process.env["WEIR_VM"] === undefined ? 10 : 28) * 60_000;

/** What needs a virtual machine's hardware runs there only: `npm run test:kernels -- tests/vm/nic`. */
const VM_ONLY = "tests/vm/";

/** All test files, relative to the root, that contain one of the patterns. */
export function findTests(patterns: readonly string[]): string[] {
  const folders = ["sdk", "server", "wasm", "bpf", "scripts", "examples", "tests"];
  const files = folders.flatMap((folder) => [
    ...new Bun.Glob(`${folder}/**/*.test.{ts,tsx}`).scanSync({ cwd: root() }),
  ]);
  if (patterns.length === 0) return files.filter((file) => !file.startsWith(VM_ONLY)).sort();
  return files.filter((file) => patterns.some((pattern) => file.includes(pattern))).sort();
}

/**
 * Unit tests run in one process. A file below tests/ or examples/ has a process of its own: it enters
 * namespaces and attaches programs, and a crash there is its alone.
 */
export function groupTests(files: readonly string[]): Group[] {
  const hasOwnProcess = (file: string): boolean => /^(tests|examples)\//.test(file);
  const unit = files.filter((file) => !hasOwnProcess(file));
  const groups: Group[] =
    unit.length === 0
      ? []
      : [{ name: "unit tests", files: unit, kernel: false, alone: false, timeoutMs: UNIT_TIMEOUT_MS }];
  for (const file of files.filter(hasOwnProcess)) {
    const kernel = file.startsWith("tests/kernel/");
    const alone = ALONE.test(readFileSync(join(root(), file), "utf8"));
    groups.push({ name: file, files: [file], kernel, alone, timeoutMs: FILE_TIMEOUT_MS });
  }
  return groups;
}
