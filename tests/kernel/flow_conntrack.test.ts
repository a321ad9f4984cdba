// SPDX-License-Identifier: Apache-2.0
/**
 * The same packets through Weir's programs and through nf_conntrack, and the state of both after each. Where they are
 * not alike, the case says why.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { flowStates, INTERFACE_POLICY, NEXTHOP_FLAG_POLICY } from "../../sdk/layout/generated.ts";
import { CASES, type Case, frameOf, PORTS, type Side } from "./conntrack_cases.ts";
import { Pipeline } from "./pipeline_harness.ts";
import { GATEWAY_MAC, MAC_A, MAC_B } from "./pipeline_packets.ts";

const ENDS = `wfc-${process.pid}-ends`;
const TRACKER = `wfc-${process.pid}-track`;

/** What Weir has for a state of nf_conntrack's. */
const ALIKE: Readonly<Record<string, string>> = {
  "": "none",
  SYN_SENT: "new",
  SYN_SENT2: "new",
  SYN_RECV: "new",
  ESTABLISHED: "established",
  FIN_WAIT: "closing",
  CLOSE_WAIT: "closing",
  LAST_ACK: "closed",
  TIME_WAIT: "closed",
  CLOSE: "closed",
};

async function run(...command: string[]): Promise<void> {
  const child = Bun.spawn(command, { stdout: "ignore", stderr: "pipe" });
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")}: ${await new Response(child.stderr).text()}`);
}

const inTracker = (...command: string[]) => run("nsenter", `--net=/run/netns/${TRACKER}`, ...command);
const inEnds = (...command: string[]) => run("nsenter", `--net=/run/netns/${ENDS}`, ...command);

/** A namespace that forwards between two devices and tracks; the devices' other ends are in another one. */
async function build(): Promise<void> {
  for (const name of [ENDS, TRACKER]) await run("ip", "netns", "add", name);
  for (const [end, address, mac, peer] of [
    ["a", "10.97.0.126/25", MAC_A, "10.97.0.1"],
    ["b", "10.97.0.129/25", MAC_B, "10.97.0.130"],
  ] as const) {
    await inEnds("ip", "link", "add", "name", end, "type", "veth", "peer", "name", `t${end}`, "netns", TRACKER);
    await inEnds("ip", "link", "set", "dev", end, "address", mac, "up");
    await inTracker("ip", "link", "set", "dev", `t${end}`, "address", GATEWAY_MAC, "up");
    await inTracker("ip", "address", "add", address, "dev", `t${end}`);
    await inTracker("ip", "neighbour", "replace", peer, "lladdr", mac, "dev", `t${end}`);
  }
  await inTracker("sysctl", "-qw", "net.ipv4.ip_forward=1");
  // Something must ask for the state, or nothing is tracked; what is invalid passes too.
  await inTracker(
    "nft",
    "add table ip t; add chain ip t f { type filter hook forward priority 0; }; add rule ip t f ct state invalid accept",
  );
}

async function destroy(): Promise<void> {
  for (const name of [ENDS, TRACKER]) await run("ip", "netns", "delete", name).catch(() => {});
}

async function trackedBy(cases: readonly Case[]): Promise<string[][]> {
  const input = cases.map(({ steps }, port) =>
    steps.map((step) => [step.from === "client" ? "a" : "b", frameOf(step, port).toHex()]),
  );
  const script = `${import.meta.dirname}/conntrack_steps.py`;
  const child = Bun.spawn(["python3", script, `/run/netns/${ENDS}`, `/run/netns/${TRACKER}`], {
    stdin: new TextEncoder().encode(JSON.stringify(input)),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, errors, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (status !== 0) throw new Error(errors);
  return JSON.parse(output);
}

/** What Weir's programs make of a case; its first packet is decided and sent on. */
function followedBy(pipeline: Pipeline, { steps }: Case, port: number): string[] {
  const client = { ...PORTS(port), source: "10.97.0.1", destination: "10.97.0.130", protocol: 6 };
  const receive = (from: Side) => pipeline.receiveOn(from === "client" ? 1 : 2);
  return steps.map((step, i) => {
    receive(step.from);
    const frame = frameOf(step, port);
    pipeline.run("tc", frame);
    if (i === 0) {
      expect(pipeline.decide(client, { generation: pipeline.flow(client)?.generation ?? 0 }).result).toBe("ok");
      pipeline.run("tc", frame);
    }
    return flowStates[pipeline.flow(client)?.state ?? 0] ?? "none";
  });
}

let tracked: string[][] = [];
let followed: string[][] = [];

beforeAll(async () => {
  await destroy();
  await build();
  tracked = await trackedBy(CASES);
  using pipeline = new Pipeline();
  pipeline.controllerStarts();
  pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_POLICY, nexthopFlags: NEXTHOP_FLAG_POLICY });
  pipeline.addInterface(2, { mac: MAC_B, flags: INTERFACE_POLICY, nexthopFlags: NEXTHOP_FLAG_POLICY });
  pipeline.addRoute(1, "10.97.0.1/32", 1);
  pipeline.addRoute(1, "10.97.0.130/32", 2);
  followed = CASES.map((each, port) => followedBy(pipeline, each, port));
  console.log(table());
}, 60_000);
afterAll(destroy);

/** Case by case: the packet, and the state of both after it. */
function table(): string {
  return CASES.map(({ name, steps, unlike }, i) => {
    const lines = steps.map(({ from, text }, k) => {
      const [weir = "", conntrack = ""] = [followed[i]?.[k], tracked[i]?.[k]];
      const mark = ALIKE[conntrack] === weir ? " " : "*";
      return `  ${mark} ${from.padEnd(7)}${text.padEnd(44)}${weir.padEnd(13)}${conntrack === "" ? "(no entry)" : conntrack}`;
    });
    return [name, ...lines, ...(unlike === undefined ? [] : [`  * ${unlike.why}`])].join("\n");
  }).join("\n");
}

describe("the state after each packet is as in nf_conntrack, or differs as the case explains", () => {
  for (const [i, { name, unlike }] of CASES.entries()) {
    test(name, () => {
      const pairs = (followed[i] ?? []).map((weir, k) => [weir, ALIKE[tracked[i]?.[k] ?? "?"]] as const);
      const differing = pairs.flatMap(([weir, conntrack], k) => (weir === conntrack ? [] : [k + 1]));
      expect(differing).toEqual([...(unlike?.at ?? [])]);
    });
  }
});
