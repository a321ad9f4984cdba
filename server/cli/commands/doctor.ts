// SPDX-License-Identifier: Apache-2.0
import { defineCommand, outputFlag, wantsJson } from "../command.ts";
import type { Check } from "../doctor/check.ts";
import { UsageError } from "../failure.ts";
import { storeOf } from "../store.ts";

export const doctor = defineCommand({
  name: "doctor",
  summary: "can this machine run it, and how to mend it",
  usage: "[DEVICE...] [--hook auto|tc|xdp] [--fix [--store URL]] [-o json]",
  help: `
  DEVICE             also look at these devices: driver, MTU, queues, offloads, rings, XDP programs
      --hook HOOK    the hook that they are to have: auto (default), tc, xdp
      --fix          first make the settings that they need (MTU, queues, rings, offloads, ...), and remember how they
                     were: weir down restores them. A running instance does it itself, for interfaces with tune: true
      --store URL    where the instance keeps its state, if serve is told
  -o, --output json  an array of { name, status: ok|warn|fail, found, cost, hint }`,
  flags: { ...outputFlag, hook: { type: "string" }, fix: { type: "boolean" }, store: { type: "string" } },
  arguments: [0, 4096],
  run: async ({ flags, args }, { instance, terminal }) => {
    const json = wantsJson(flags.output);
    const hook = hookOf(flags.hook);
    // Only this command needs libbpf and the rest at hand: `weir help` works on any machine.
    const { diagnose } = await import("../doctor/index.ts");
    const fixed = flags.fix === true ? await fix(args, { hook, instance, store: flags.store }) : [];
    const checks = [...diagnose(args, hook), ...fixed];
    await terminal.out(json ? `${JSON.stringify(checks, null, 2)}\n` : formatChecks(checks));
    return checks.some(({ status }) => status === "fail") ? 1 : 0;
  },
});

async function fix(
  devices: readonly string[],
  o: { readonly hook: Hook; readonly instance: string; readonly store: string | undefined },
): Promise<Check[]> {
  if (devices.length === 0) throw new UsageError("--fix needs the devices that are to be fixed");
  const store = storeOf(o.store);
  if (store === false) throw new UsageError("--fix needs a store: what it changes is remembered there");
  const [{ fixDevices }, { checkFixed }] = await Promise.all([
    import("../../../sdk/index.ts"),
    import("../doctor/fix.ts"),
  ]);
  return fixDevices(devices, { ...o, store }).flatMap((fixed) => checkFixed(fixed, o.instance));
}

const HOOKS = ["auto", "tc", "xdp"] as const;

type Hook = (typeof HOOKS)[number];

function hookOf(text = "auto"): Hook {
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
