// SPDX-License-Identifier: Apache-2.0
import type { Change, Plan } from "../../dataplane.ts";
import { Client, ProblemFailure } from "../client.ts";
import { type Context, defineCommand, outputFlag, wantsJson } from "../command.ts";
import { UsageError } from "../failure.ts";
import { located, readStateFile, type StateFile } from "../state-file.ts";
import { formatBytes } from "../table.ts";

const lines = (changes: readonly Change[]): string => changes.map(({ text }) => `${text}\n`).join("");

export const apply = defineCommand({
  name: "apply",
  summary: "make the node match FILE; print the difference",
  usage: "-f FILE [--dry-run] [--owner OWNER] [-o json]",
  help: `
  -f, --file FILE    state document, YAML or JSON; - is standard input
      --dry-run      only print what would change, with its memory and the flows touched
      --owner OWNER  replace the objects of OWNER (default: state)
  -o, --output json  print for programs`,
  flags: {
    file: { type: "string", short: "f" },
    "dry-run": { type: "boolean" },
    owner: { type: "string" },
    ...outputFlag,
  },
  run: async ({ flags }, context) => {
    if (flags.file === undefined) throw new UsageError("Cannot run weir apply: which file? usage: weir apply -f FILE");
    const json = wantsJson(flags.output);
    const file = readStateFile(flags.file);
    const client = new Client(context.endpoint);
    const request = { query: { owner: flags.owner }, body: file.value };
    try {
      if (flags["dry-run"]) await printPlan(await client.json("POST", "/v1/state/plan", request), json, context);
      else await printChanges(await client.json("PUT", "/v1/state", request), json, context);
      return 0;
    } catch (error) {
      throw withPlace(error, file);
    }
  },
});

async function printPlan(plan: Plan, json: boolean, { terminal }: Context): Promise<void> {
  if (json) return terminal.out(`${JSON.stringify(plan, null, 2)}\n`);
  const memory = `memory: ${plan.memoryBytes < 0 ? "" : "+"}${formatBytes(plan.memoryBytes)}\n`;
  await terminal.out(`${lines(plan.changes)}${memory}flows: ${plan.flows} decided again\n`);
}

async function printChanges(
  answer: { revision: number; changes: readonly Change[]; warnings?: readonly string[] },
  json: boolean,
  { terminal }: Context,
): Promise<void> {
  for (const warning of answer.warnings ?? []) terminal.err(`weir: warning: ${warning}`);
  await terminal.out(json ? `${JSON.stringify(answer, null, 2)}\n` : lines(answer.changes));
}

function withPlace(error: unknown, file: StateFile): unknown {
  return error instanceof ProblemFailure ? located(file, error.problem.field, error.problem.detail) : error;
}
