// SPDX-License-Identifier: Apache-2.0
/**
 * What the rules say of a packet, read rule by rule from the document itself. It shares nothing with the compiler and
 * the classifier, and is kept as simple as the sentence that it stands for: the first rule that matches decides.
 */

import { contains, type IpAddress, type Prefix, parseAddress, parsePrefix } from "../../../sdk/address.ts";
import type { DirectionName, PolicyInput, PolicyRuleInput } from "../../../sdk/slowpath/index.ts";
import { icmp, packet, tcp, udp } from "../packets.ts";

/** The first packet of a flow. */
export interface Flow {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** type << 8 | code; only of ICMP in its own family. */
  readonly icmp: number | undefined;
}

/** What the rules come to. */
export interface NaiveVerdict {
  readonly action: string;
  /** `policy/rule`; `policy/default` where no rule decided, "" without a policy. */
  readonly rule: string;
  /** The first mirror that a rule that matched names. */
  readonly mirror: string | undefined;
  /** The rules that matched and let the packet go on, `policy/rule`. */
  readonly passed: readonly string[];
}

export type PrefixSets = ReadonlyMap<string, readonly string[]>;

const PROTOCOLS: Readonly<Record<string, number>> = {
  tcp: 6,
  udp: 17,
  icmp: 1,
  icmpv6: 58,
  sctp: 132,
  gre: 47,
  esp: 50,
};

const prefixes = new Map<string, Prefix | undefined>();
const addresses = new Map<string, IpAddress | undefined>();

function once<T>(known: Map<string, T>, text: string, parse: (text: string) => T): T {
  if (known.size > 200_000) known.clear();
  const value = known.get(text);
  if (value !== undefined) return value;
  const parsed = parse(text);
  known.set(text, parsed);
  return parsed;
}

function inPrefix(text: string, address: string): boolean {
  const prefix = once(prefixes, text, parsePrefix);
  const parsed = once(addresses, address, parseAddress);
  return prefix !== undefined && parsed !== undefined && contains(prefix, parsed);
}

function inList(list: PolicyRuleInput["from"], address: string, sets: PrefixSets): boolean {
  return (list ?? []).some((peer) =>
    typeof peer === "string"
      ? inPrefix(peer, address)
      : (sets.get(peer.set) ?? []).some((member) => inPrefix(member, address)),
  );
}

function inRange(list: readonly (number | string)[], port: number): boolean {
  return list.some((text) => {
    const [first, last] = String(text).split("-").map(Number);
    return port >= (first ?? 0) && port <= (last ?? first ?? 0);
  });
}

export function matchesNaively(rule: PolicyRuleInput, flow: Flow, direction: DirectionName, sets: PrefixSets): boolean {
  if (rule.direction !== undefined && rule.direction !== direction) return false;
  const proto = typeof rule.proto === "string" ? PROTOCOLS[rule.proto] : rule.proto;
  if (proto !== undefined && proto !== flow.protocol) return false;
  const v6 = flow.source.includes(":");
  if ((proto === 1 && v6) || (proto === 58 && !v6)) return false;
  const hasPorts = [6, 17, 132].includes(flow.protocol);
  if (rule.ports !== undefined && !(hasPorts && inRange(rule.ports, flow.destinationPort))) return false;
  if (rule.sourcePorts !== undefined && !(hasPorts && inRange(rule.sourcePorts, flow.sourcePort))) return false;
  if (rule.types !== undefined) {
    const matched = rule.types.some((text) => {
      const [type, code] = String(text).split("/").map(Number);
      return flow.icmp !== undefined && flow.icmp >> 8 === type && (code === undefined || (flow.icmp & 255) === code);
    });
    if (!matched) return false;
  }
  if (rule.from !== undefined && !inList(rule.from, flow.source, sets)) return false;
  if (rule.to !== undefined && !inList(rule.to, flow.destination, sets)) return false;
  return !inList(rule.except, direction === "ingress" ? flow.source : flow.destination, sets);
}

/** Decides by the policies of one interface. */
export function decideNaively(
  policies: readonly PolicyInput[],
  flow: Flow,
  direction: DirectionName,
  sets: PrefixSets = new Map(),
): NaiveVerdict {
  const passed: string[] = [];
  let mirror: string | undefined;
  for (const policy of policies) {
    for (const [i, rule] of (policy.rules ?? []).entries()) {
      if (!matchesNaively(rule, flow, direction, sets)) continue;
      const name = `${policy.name}/${rule.name ?? `#${i}`}`;
      mirror ??= rule.mirror;
      if (rule.action !== "pass" && rule.action !== "log") return { action: rule.action, rule: name, mirror, passed };
      passed.push(name);
      if (rule.action === "pass") break;
    }
  }
  const first = policies[0];
  if (first === undefined) return { action: "ask", rule: "", mirror, passed };
  const action = (typeof first.default === "string" ? first.default : first.default?.[direction]) ?? "deny";
  return { action, rule: `${first.name}/default`, mirror, passed };
}

/** The packet of a flow, as it comes from the workload. */
export function frameOf(f: Flow): Uint8Array {
  const payload =
    f.protocol === 6
      ? tcp(f.sourcePort, f.destinationPort)
      : f.protocol === 17 || f.protocol === 132
        ? udp(f.sourcePort, f.destinationPort, [0, 0, 0, 0])
        : icmp((f.icmp ?? 0) >> 8, (f.icmp ?? 0) & 255);
  return packet({ source: f.source, destination: f.destination, protocol: f.protocol, payload });
}
