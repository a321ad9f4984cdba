// SPDX-License-Identifier: Apache-2.0
/** Reads the match fields of a rule: protocols, ports, ICMP types and prefixes. */

import { hasHostBits, type Prefix, parsePrefix } from "../../address.ts";
import { WeirError } from "../../errors.ts";

const PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  gre: 47,
  esp: 50,
  icmpv6: 58,
  sctp: 132,
};
const ICMP = 1;
const ICMPV6 = 58;
/** Protocols whose first four bytes are ports. */
const WITH_PORTS: ReadonlySet<number> = new Set([6, 17, 132]);

/** First and last value, both included. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

export function invalidRule(where: string, reason: string, hint?: string): WeirError {
  return new WeirError({ code: "EINVALIDSTATE", operation: `compile ${where}`, reason, hint });
}

/** The IP protocol number; `undefined` for any. */
export function parseProtocol(proto: string | number | undefined, where: string): number | undefined {
  if (proto === undefined || proto === "any") return undefined;
  const value = typeof proto === "number" ? proto : PROTOCOLS[proto];
  if (value === undefined || !Number.isInteger(value) || value < 0 || value > 255) {
    throw invalidRule(where, `"${proto}" is no protocol`, "use a name such as tcp, or a number from 0 to 255");
  }
  return value;
}

/** The address family that a protocol implies; 0 for none. */
export function familyOfProtocol(protocol: number | undefined): 0 | 4 | 6 {
  if (protocol === ICMP) return 4;
  return protocol === ICMPV6 ? 6 : 0;
}

/** Reads ports and ranges of ports. */
export function parsePorts(ports: readonly (number | string)[], protocol: number | undefined, where: string): Range[] {
  if (protocol !== undefined && !WITH_PORTS.has(protocol)) {
    throw invalidRule(where, `IP protocol ${protocol} has no ports`, "use proto tcp, udp or sctp");
  }
  return ports.map((text) => {
    const [, first, last] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(String(text)) ?? [];
    const range = { first: Number(first), last: Number(last ?? first) };
    if (first === undefined || range.last > 65535 || range.first > range.last) {
      throw invalidRule(where, `"${text}" is no port or range`, 'write 80 or "8000-8080"');
    }
    return range;
  });
}

/** Reads ICMP types as ranges of type << 8 | code. */
export function parseTypes(types: readonly (number | string)[], protocol: number | undefined, where: string): Range[] {
  if (protocol !== ICMP && protocol !== ICMPV6) {
    throw invalidRule(where, "types belong to ICMP", "use proto icmp or icmpv6");
  }
  return types.map((text) => {
    const [, type, code] = /^(\d{1,3})(?:\/(\d{1,3}))?$/.exec(String(text)) ?? [];
    if (type === undefined || Number(type) > 255 || Number(code ?? 0) > 255) {
      throw invalidRule(where, `"${text}" is no ICMP type`, 'write 8 or "3/4"');
    }
    const first = Number(type) << 8;
    return code === undefined
      ? { first, last: first | 255 }
      : { first: first | Number(code), last: first | Number(code) };
  });
}

/** Reads a prefix. */
export function parseNetwork(text: string, where: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw invalidRule(where, `"${text}" is no prefix`);
  if (hasHostBits(prefix)) throw invalidRule(where, `"${text}" has bits behind its length`);
  return prefix;
}
