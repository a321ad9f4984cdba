// SPDX-License-Identifier: Apache-2.0
import { defineCommand, outputFlag, wantsJson } from "../command.ts";
import type { Check } from "../doctor/check.ts";
import { UsageError } from "../failure.ts";

export const doctor = defineCommand({
  name: "doctor",
  summary: "can this machine run it, and how to mend it",
  usage: "[DEVICE...] [--hook auto|tc|xdp] [-o json]",
  help: `
  DEVICE             also look at these devices: driver, MTU, queues, offloads, rings, XDP programs
      --hook HOOK    the hook that they are to have: auto (default), tc, xdp
  -o, --output json  an array of { name, status: ok|warn|fail, found, cost, hint }`,
  flags: { ...outputFlag, hook: { type: "string" } },
  arguments: [0, 4096],
  run: async ({ flags, args }, { terminal }) => {
    const json = wantsJson(flags.output);
    const hook = hookOf(flags.hook);
    // Only this command needs libbpf and the rest at hand: `weir help` works on any machine.
    const { diagnose } = await import("../doctor/index.ts");
    const checks = diagnose(args, hook);
    await terminal.out(json ? `${JSON.stringify(checks, null, 2)}\n` : formatChecks(checks));
    return checks.some(({ status }) => status === "fail") ? 1 : 0;
  },
});

const HOOKS = ["auto", "tc", "xdp"] as const;

function hookOf(text = "auto"): (typeof HOOKS)[number] {
  const hook = HOOKS.find((name) => name === text);
  if (hook === undefined) throw new UsageError(`--hook is auto, tc or xdp, not ${JSON.stringify(text)}`);
  return hook;
}

/** A line a check; below it what it costs and how to mend it. */
export function formatChecks(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const indent = " ".repeat(width + 8);
  const lines = checks.map(({ name, status, found, cost, hint }) =>
    [
      `${status.padEnd(4)}  ${name.padEnd(width)}  ${found}\n`,
      ...(cost === undefined ? [] : [`${indent}it costs: ${cost}\n`]),
      ...(hint === undefined ? [] : [`${indent}to mend it: ${hint}\n`]),
    ].join(""),
  );
  const count = (status: Check["status"]) => checks.filter((check) => check.status === status).length;
  return `${lines.join("")}${count("ok")} ok, ${count("warn")} to look at, ${count("fail")} failed\n`;
}
