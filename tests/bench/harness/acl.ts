// SPDX-License-Identifier: Apache-2.0
/**
 * One list of deny rules, in the words of each contender: prefixes of several lengths and ports of several kinds, none
 * of which the measured traffic matches. Every rule's sources are its own /16, since the elements of an nftables set
 * must not overlap.
 */

import type { Rule } from "../../../sdk/index.ts";
import type { NftRules } from "./conntrack.ts";

export interface AclRule {
  readonly protocol: "tcp" | "udp";
  readonly from: string;
  /** Absent: all. */
  readonly to?: string;
  /** First and last destination port; absent: all. */
  readonly ports?: readonly [first: number, last: number];
}

const FIRST_SOURCE_OCTET = 20;
/** A range of this size is one masked match in OpenFlow. */
const PORT_BLOCK = 256;
const SOURCE_LENGTHS = [16, 24, 32] as const;
const DESTINATION_LENGTHS = [0, 24, 32] as const;

/** `count` rules, at most 65 536 / 3 * 2 of them within unicast addresses; the same ones every time. */
export function aclRules(count: number): AclRule[] {
  return Array.from({ length: count }, (_, i) => {
    const source = `${FIRST_SOURCE_OCTET + (i >> 8)}.${i & 255}`;
    const to = destination(i, DESTINATION_LENGTHS[Math.floor(i / 6) % 3] ?? 0);
    const ports = destinationPorts(i, Math.floor(i / 18) % 3);
    return {
      protocol: i % 2 === 0 ? "udp" : "tcp",
      from: sources(source, i, SOURCE_LENGTHS[Math.floor(i / 2) % 3] ?? 32),
      ...(to === undefined ? {} : { to }),
      ...(ports === undefined ? {} : { ports }),
    };
  });
}

function sources(first: string, i: number, length: number): string {
  if (length === 16) return `${first}.0.0/16`;
  return length === 24 ? `${first}.${i % 251}.0/24` : `${first}.${i % 251}.${1 + (i % 241)}/32`;
}

function destination(i: number, length: number): string | undefined {
  if (length === 0) return undefined;
  return length === 24 ? `10.12.${i % 251}.0/24` : `10.12.${i % 251}.${1 + (i % 239)}/32`;
}

function destinationPorts(i: number, kind: number): readonly [number, number] | undefined {
  if (kind === 0) return undefined;
  const first = kind === 1 ? 1 + ((i * 61) % 65_000) : ((i * 7) % 255) * PORT_BLOCK;
  return [first, kind === 1 ? first : first + PORT_BLOCK - 1];
}

/** Rules of the policy of the interface that the traffic comes from. */
export function asPolicy(rules: readonly AclRule[]): Rule[] {
  return rules.map(({ protocol, from, to, ports }) => ({
    action: "deny",
    direction: "egress",
    proto: protocol,
    from: [from],
    ...(to === undefined ? {} : { to: [to] }),
    ...(ports === undefined ? {} : { ports: [`${ports[0]}-${ports[1]}`] }),
  }));
}

/** One nftables rule each, which a new connection passes one after the other. */
export function asLinearRules(rules: readonly AclRule[]): NftRules {
  const line = ({ protocol, from, to, ports }: AclRule) =>
    [
      `meta l4proto ${protocol} ip saddr ${from}`,
      to === undefined ? "" : `ip daddr ${to}`,
      ports === undefined ? "" : `th dport ${ports[0]}-${ports[1]}`,
      "drop",
    ].join(" ");
  return { definitions: "", rules: rules.map(line).join("\n") };
}

/** One nftables rule for all: a set of concatenated intervals. */
export function asOneSet(rules: readonly AclRule[]): NftRules {
  const element = ({ protocol, from, to = "0.0.0.0/0", ports: [first, last] = [0, 65_535] }: AclRule) =>
    `${protocol} . ${from} . ${to} . ${first}-${last}`;
  return {
    definitions: `set denied {
  type inet_proto . ipv4_addr . ipv4_addr . inet_service
  flags interval
  elements = { ${rules.map(element).join(",\n")} }
}`,
    rules: "meta l4proto . ip saddr . ip daddr . th dport @denied drop",
  };
}

/** Matches of OpenFlow. */
export function asMatches(rules: readonly AclRule[]): string[] {
  return rules.map(({ protocol, from, to, ports }) =>
    [
      `${protocol},nw_src=${from}`,
      to === undefined ? "" : `,nw_dst=${to}`,
      ports === undefined ? "" : `,tp_dst=${portMatch(ports)}`,
    ].join(""),
  );
}

function portMatch([first, last]: readonly [number, number]): string {
  return first === last ? `${first}` : `0x${first.toString(16)}/0xff00`;
}
