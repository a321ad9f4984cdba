// SPDX-License-Identifier: Apache-2.0
/** Which test files there are, and which run together. */

import { root } from "../root.ts";

/** Test files that share one process. */
export interface Group {
  readonly name: string;
  readonly files: readonly string[];
  /** Needs root, namespaces and BPF: at least one such test must really have run. */
  readonly kernel: boolean;
  /** The process is ended after this long, and counts as one failure. */
  readonly timeoutMs: number;
}

const UNIT_TIMEOUT_MS = 5 * 60_000;
const FILE_TIMEOUT_MS = 10 * 60_000;

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
 * Unit tests run in one process. A file below tests/ or examples/ has a process of its own, one
 * after the other: it enters namespaces and attaches programs, and a crash there is its alone.
 */
export function groupTests(files: readonly string[]): Group[] {
  const alone = (file: string): boolean => /^(tests|examples)\//.test(file);
  const unit = files.filter((file) => !alone(file));
  const groups: Group[] =
    unit.length === 0 ? [] : [{ name: "unit tests", files: unit, kernel: false, timeoutMs: UNIT_TIMEOUT_MS }];
  for (const file of files.filter(alone)) {
    const kernel = file.startsWith("tests/kernel/");
    groups.push({ name: file, files: [file], kernel, timeoutMs: FILE_TIMEOUT_MS });
  }
  return groups;
}
