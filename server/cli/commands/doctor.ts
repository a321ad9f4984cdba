// SPDX-License-Identifier: Apache-2.0
import { defineCommand, outputFlag, wantsJson } from "../command.ts";
import type { Check } from "../doctor/check.ts";

export const doctor = defineCommand({
  name: "doctor",
  summary: "can this machine run it, and how to mend it",
  usage: "[DEVICE...] [-o json]",
  help: `
  DEVICE             also look at these devices: driver, MTU, queues, offloads, XDP programs
  -o, --output json  an array of { name, status: ok|warn|fail, found, hint }`,
  flags: outputFlag,
  arguments: [0, 4096],
  run: async ({ flags, args }, { terminal }) => {
    const json = wantsJson(flags.output);
    // Only this command needs libbpf and the rest at hand: `weir help` works on any machine.
    const { diagnose } = await import("../doctor/index.ts");
    const checks = diagnose(args);
    await terminal.out(json ? `${JSON.stringify(checks, null, 2)}\n` : formatChecks(checks));
    return checks.some(({ status }) => status === "fail") ? 1 : 0;
  },
});

/** A line a check, its hint below it. */
export function formatChecks(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.map(({ name, status, found, hint }) => {
    const line = `${status.padEnd(4)}  ${name.padEnd(width)}  ${found}\n`;
    return hint === undefined ? line : `${line}${" ".repeat(width + 8)}to mend it: ${hint}\n`;
  });
  const count = (status: Check["status"]) => checks.filter((check) => check.status === status).length;
  return `${lines.join("")}${count("ok")} ok, ${count("warn")} to look at, ${count("fail")} failed\n`;
}
