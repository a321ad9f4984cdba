// SPDX-License-Identifier: Apache-2.0
/** Rules whose fields contradict each other. */
import { parsePrefix } from "../../address.ts";
import { invalid, type Policy, type Rule } from "../schema/index.ts";
import { checkPrefix } from "./check_prefix.ts";

const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const PROTOCOL_SCTP = 132;
const PROTOCOL_ICMP = 1;
const PROTOCOL_ICMPV6 = 58;

const WITH_PORTS: ReadonlySet<string | number> = new Set([
  "tcp",
  "udp",
  "sctp",
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  PROTOCOL_SCTP,
]);
const WITH_TYPES: ReadonlySet<string | number> = new Set(["icmp", "icmpv6", PROTOCOL_ICMP, PROTOCOL_ICMPV6]);

/** @throws WeirError `EINVALIDSTATE` that names the field. */
export function checkPolicy(policy: Policy, pointer: string): void {
  const names = new Map<string, number>();
  for (const [i, rule] of (policy.rules ?? []).entries()) {
    const at = `${pointer}/rules/${i}`;
    if (rule.name !== undefined) {
      const first = names.get(rule.name);
      if (first !== undefined) {
        throw invalid(`${at}/name`, `is "${rule.name}", which ${pointer}/rules/${first} has too`, "rename one");
      }
      names.set(rule.name, i);
    }
    checkRule(rule, at);
  }
}

function checkRule(rule: Rule, pointer: string): void {
  const proto = rule.proto ?? "any";
  for (const field of ["ports", "sourcePorts"] as const) {
    if (rule[field] !== undefined && !WITH_PORTS.has(proto)) {
      throw invalid(`${pointer}/${field}`, `has no meaning for proto ${proto}`, "give proto tcp, udp or sctp");
    }
  }
  if (rule.types !== undefined && !WITH_TYPES.has(proto)) {
    throw invalid(`${pointer}/types`, `has no meaning for proto ${proto}`, "give proto icmp or icmpv6");
  }
  const families = new Set<number>();
  for (const side of ["from", "to", "except"] as const) {
    for (const [i, peer] of (rule[side] ?? []).entries()) {
      if (typeof peer !== "string") continue;
      checkPrefix(peer, `${pointer}/${side}/${i}`);
      families.add(parsePrefix(peer)?.family ?? 0);
    }
  }
  const only = families.size === 1 ? [...families][0] : undefined;
  if ((proto === "icmp" || proto === PROTOCOL_ICMP) && only === 6) {
    throw invalid(`${pointer}/proto`, `is ${proto}, which is IPv4's, but all prefixes are IPv6`, "use icmpv6");
  }
  if ((proto === "icmpv6" || proto === PROTOCOL_ICMPV6) && only === 4) {
    throw invalid(`${pointer}/proto`, `is ${proto}, which is IPv6's, but all prefixes are IPv4`, "use icmp");
  }
}
