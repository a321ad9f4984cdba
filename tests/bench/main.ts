// SPDX-License-Identifier: Apache-2.0
/** `npm run bench [-- NAME…] [-o FILE] [--rounds N] [--seconds S] [--patience S] [--list]`: Weir beside its rivals, on this machine. */

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { benchmarks } from "./cases/index.ts";
import { handleInterrupts } from "./harness/interrupt.ts";
import { describeMachine, formatMachine } from "./harness/machine.ts";
import { Patience } from "./harness/quiet.ts";
import { formatBlock } from "./harness/report.ts";
import { isMet, type Result } from "./harness/result.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    output: { type: "string", short: "o" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    patience: { type: "string", default: "60" },
    list: { type: "boolean", default: false },
  },
});

function usage(problem: string): never {
  console.error(`${problem}; benchmarks: ${benchmarks.map(({ name }) => name).join(" ")}`);
  process.exit(2);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  return Number.isFinite(value) && value > 0 ? value : usage(`--${name} must be a number above 0`);
}

/** One line on a terminal that the next one overwrites. */
function progress(message: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${message}`);
}

function selected(): typeof benchmarks {
  const unknown = positionals.find((name) => !benchmarks.some((benchmark) => benchmark.name === name));
  if (unknown !== undefined) usage(`no benchmark is called "${unknown}"`);
  return positionals.length === 0 ? benchmarks : benchmarks.filter(({ name }) => positionals.includes(name));
}

async function main(): Promise<number> {
  const rounds = Math.ceil(positive("rounds", values.rounds));
  const seconds = positive("seconds", values.seconds);
  const patienceSeconds = positive("patience", values.patience);
  const machine = describeMachine();
  console.log(`${formatMachine(machine)}\n`);
  const results: Record<string, Result | { readonly error: string }> = {};
  for (const benchmark of selected()) {
    try {
      const patience = new Patience(patienceSeconds);
      const result = withNote(await benchmark.run({ rounds, seconds, patience, progress }), patience.note);
      results[benchmark.name] = result;
      progress("");
      console.log(formatBlock(benchmark.name, benchmark.title, result));
    } catch (error) {
      results[benchmark.name] = { error: String(error) };
      progress("");
      console.log(`${benchmark.name}: ${benchmark.title}\n  failed: ${String(error)}\n`);
    }
  }
  if (values.output !== undefined) {
    const time = new Date().toISOString();
    writeFileSync(values.output, `${JSON.stringify({ time, machine, rounds, seconds, results }, null, 2)}\n`);
  }
  return summarise(results);
}

function withNote(result: Result, note: string | undefined): Result {
  return note === undefined ? result : { ...result, notes: [...result.notes, note] };
}

/** Says which targets were missed. Only a benchmark that could not run makes the exit status 1. */
function summarise(results: Record<string, Result | { readonly error: string }>): number {
  const missed: string[] = [];
  let failed = 0;
  for (const [name, result] of Object.entries(results)) {
    if ("error" in result) failed++;
    else for (const figure of result.figures) if (isMet(figure) === false) missed.push(`${name}: ${figure.label}`);
  }
  console.log(missed.length === 0 ? "All targets that were measured are met." : `Not met: ${missed.join("; ")}.`);
  return failed === 0 ? 0 : 1;
}

if (values.list) {
  for (const { name, title } of benchmarks) console.log(`${name.padEnd(18)} ${title}`);
} else {
  handleInterrupts();
  process.exitCode = await main();
}
