// SPDX-License-Identifier: Apache-2.0
/** A trace for people: a line a stage, then the verdict, then what goes out. */

import type { TraceStep } from "../dataplane.ts";
import type { TraceAnswer } from "../trace_schemas.ts";

/** Columns of the stage's name. */
const WIDTH = 13;
const BYTES_A_LINE = 32;

/** Ends with a newline. */
export function formatTrace({ steps, verdict, reason, outputs }: TraceAnswer): string {
  const lines = steps.map((step) => line(step.stage, describe(step as TraceStep)));
  lines.push(line("verdict", reason === undefined ? verdict : `${verdict}: ${reason}`));
  for (const output of outputs) {
    const copied = output.mirror === undefined ? "" : `, a copy for ${output.mirror}`;
    lines.push(line("out", `${placeOf(output)}, ${output.bytes.length / 2} bytes${copied}`));
    const digits = new RegExp(`.{1,${2 * BYTES_A_LINE}}`, "g");
    for (const row of output.bytes.match(digits) ?? []) lines.push(`${" ".repeat(WIDTH)}${row}`);
  }
  return lines.map((text) => `${text.trimEnd()}\n`).join("");
}

const line = (name: string, text: string): string => `${name.padEnd(WIDTH)}${text}`;

const placeOf = (o: { readonly interface: string; readonly device: string }): string =>
  o.interface === o.device ? o.interface : `${o.interface} (device ${o.device})`;

function idOf({ vni, label }: { readonly vni?: number; readonly label?: number }): string {
  if (vni !== undefined) return `, VNI ${vni}`;
  return label === undefined ? "" : `, label ${label}`;
}

function ruleOf({ policy, rule }: { readonly policy?: string; readonly rule?: string }): string {
  return policy === undefined ? "" : `, by ${policy}/${rule}`;
}

function flowOf({ key }: Extract<TraceStep, { stage: "flow" | "flow-miss" | "nat" }>): string {
  const end = (address: string, port: number) =>
    address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  return `${key.proto} ${end(key.src, key.sport)} > ${end(key.dst, key.dport)}, VRF ${key.vrf}`;
}

function describe(step: TraceStep): string {
  switch (step.stage) {
    case "interface":
      return `${placeOf(step)}, VRF ${step.vrf}${step.vlan === undefined ? "" : `, VLAN ${step.vlan}`}`;
    case "class":
      return step.class === undefined ? "none" : String(step.class);
    case "decapsulate":
      return `${step.encap} from ${step.tunnel ?? "an unknown tunnel"}${idOf(step)}, VRF ${step.vrf}`;
    case "learn":
      return `${step.mac}, ${{ workload: "of the workload", bridge: "new in the bridge", moved: "moved here", address: "with an address that is news" }[step.learned]}`;
    case "flow":
      return `${flowOf(step)}: ${step.action}${step.nexthop === undefined ? "" : ` via ${step.nexthop}`}${ruleOf(step)}`;
    case "flow-miss":
      return `${flowOf(step)}: ${step.held === true ? "being decided" : "new"}${step.reverse === undefined ? "" : `, answers via ${step.reverse}`}`;
    case "nat":
      return flowOf(step);
    case "policy":
      return `${step.action}${step.direction === undefined ? "" : `, ${step.direction}`}${ruleOf(step)}`;
    case "route":
      return `${step.address}, VRF ${step.vrf}: ${step.nexthop === undefined ? "none" : `${step.prefix ?? "some prefix"} via ${step.nexthop}${idOf(step)}`}`;
    case "bridge":
      return `${step.mac}, VRF ${step.vrf}: ${step.nexthop === undefined ? "none" : `via ${step.nexthop}${idOf(step)}`}`;
    case "ecmp":
      return `${step.ecmp}: ${step.nexthop}${idOf(step)}`;
    case "vrf":
      return `${step.nexthop}: look up in VRF ${step.vrf}`;
    case "nexthop":
      return `${step.nexthop}, ${step.type}${idOf(step)}`;
    case "member":
      return `${step.nexthop}, ${step.type}`;
    case "rewrite":
      return `${step.sourceMac} > ${step.destinationMac}, TTL ${step.ttl}`;
    case "encapsulate":
      return `${step.encap} ${step.local} > ${step.remote}${idOf(step)}, ${step.tunnel} along ${step.underlay}`;
    case "output":
    case "copy":
      return placeOf(step);
    case "mirror":
      return `a copy for ${step.mirror}`;
    case "host":
      return "to the host's stack";
    case "hand-over":
      return "to the TC hook";
    case "answer":
      return "answered in place";
    case "trap":
    case "drop":
      return step.reason;
  }
}
