// SPDX-License-Identifier: Apache-2.0
/** Counts of the closing lines of `bun test`. */

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export const NONE: Counts = { passed: 0, failed: 0, skipped: 0 };

export function add(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

/** The line that closes a run; nothing else stands on it. */
export function closingLine(counts: Counts): string {
  return `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`;
}

/** The last closing line of an output. */
export function readClosingLine(output: string): Counts | undefined {
  const found = [...output.matchAll(/^(\d+) passed, (\d+) failed, (\d+) skipped\r?$/gm)].at(-1);
  if (found === undefined) return undefined;
  return { passed: Number(found[1]), failed: Number(found[2]), skipped: Number(found[3]) };
}

/**
 * Reads ` 3 pass`, ` 1 fail` and so on. The JUnit report would not do: it leaves out files that
 * do not load. Todo tests count as skipped; a file in which `-t` matches nothing is fine.
 * @returns `undefined` if the output has no such lines, because the process did not reach its end
 */
export function readCounts(output: string): Counts | undefined {
  if (/^error: regex ".*" matched 0 tests\./m.test(output)) return NONE;
  const last = (word: string): number | undefined => {
    const found = [...output.matchAll(new RegExp(`^ *(\\d+) ${word}$`, "gm"))].at(-1)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  const failed = last("fail");
  if (failed === undefined || !/^Ran \d+ tests? /m.test(output)) return undefined;
  return { passed: last("pass") ?? 0, failed, skipped: (last("skip") ?? 0) + (last("todo") ?? 0) };
}
