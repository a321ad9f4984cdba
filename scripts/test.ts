// SPDX-License-Identifier: Apache-2.0
/**
 * `npm test [-- PATTERN... [-t NAME]]`: runs the test files whose path contains a pattern (all
 * without one), looks for what they left behind, and closes with one line of counts.
 */

import { add, closingLine, NONE } from "./test/counts.ts";
import { findTests, type Group, groupTests } from "./test/groups.ts";
import { type Outcome, runAlone, runBeside } from "./test/run.ts";

const { patterns, options } = splitArguments(process.argv.slice(2));
const groups = groupTests(findTests(patterns));
let begun = 0;
const show = ({ name }: Group) => console.error(`\n==> ${name} (${++begun} of ${groups.length})`);
const outcomes = await runBeside(
  groups.filter(({ alone }) => !alone),
  options,
  show,
);
for (const group of groups.filter(({ alone }) => alone)) {
  show(group);
  outcomes.push(await runAlone(group, options));
}
report(outcomes);

function report(done: readonly Outcome[]): void {
  console.log("\nseconds  passed  failed  skipped");
  for (const { group, counts, seconds, complaints } of done) {
    const numbers = [counts.passed, counts.failed, counts.skipped].map((count) => String(count).padStart(8)).join("");
    console.log(`${seconds.toFixed(1).padStart(7)}${numbers}  ${group.name}`);
    for (const complaint of complaints) console.log(`         FAILED: ${group.name}: ${complaint}`);
  }
  let total = done.reduce((sum, { counts }) => add(sum, counts), NONE);
  const complaint = missingCoverage(done);
  if (complaint !== undefined) {
    console.log(`FAILED: ${complaint}`);
    total = add(total, { passed: 0, failed: 1, skipped: 0 });
  }
  console.log(`\n${closingLine(total)}`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

/** A run that looks green because nothing ran is a failure. */
function missingCoverage(done: readonly Outcome[]): string | undefined {
  if (done.length === 0) return `no test file matches ${patterns.join(" ")}`;
  if (done.every(({ counts }) => counts.passed + counts.failed === 0)) return "no test ran";
  // With -t only some tests are wanted.
  if (options.length > 0) return undefined;
  const kernel = done.filter(({ group }) => group.kernel);
  const ran = kernel.some(({ counts }) => counts.passed + counts.failed > 0);
  if (kernel.length > 0 && !ran) return "all kernel tests were skipped";
  if (kernel.length === 0 && patterns.length === 0) return "there is no kernel test";
  return undefined;
}

/** Options begin with a dash; `-t` takes the word that follows. */
function splitArguments(args: readonly string[]): { patterns: string[]; options: string[] } {
  const found = { patterns: [] as string[], options: [] as string[] };
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? "";
    if (!arg.startsWith("-")) {
      found.patterns.push(arg);
      continue;
    }
    found.options.push(arg);
    const value = args[index + 1];
    if ((arg === "-t" || arg === "--test-name-pattern") && value !== undefined) {
      found.options.push(value);
      index++;
    }
  }
  return found;
}
