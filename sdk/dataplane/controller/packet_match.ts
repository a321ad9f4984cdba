// SPDX-License-Identifier: Apache-2.0
/** Which packets a handler takes: what is declared, and whether a packet is so. */
import { contains, type Prefix, parseMac } from "../../address.ts";
import { WeirError } from "../../errors.ts";
import type { TrapReason } from "../../layout/index.ts";
import {
  familyOfProtocol,
  parseNetwork,
  parsePorts,
  parseProtocol,
  type Range,
  type TrappedPacket,
} from "../../slowpath/index.ts";
import type { MatchElement } from "../kernel/match_table.ts";

/**
 * Which packets a handler takes: all that is given must be so. With `trap` those of the packets that are trapped for it;
 * without, all that come by an interface, those of established flows too, before route and policy are asked: outer headers of
 * tunnels are taken off by then. Ports and addresses mean what they mean in the rules of policies.
 */
export interface PacketMatch {
  readonly trap?: TrapReason | undefined;
  /** It was received by this interface; out of a tunnel: by this fabric interface. */
  readonly interface?: string | undefined;
  /** VRF of that interface, or that the tunnel led to; `underlay`: by a fabric interface, and out of no tunnel. */
  readonly vrf?: string | undefined;
  /** EtherType (IEEE 802), after VLAN tags: 0x88cc for LLDP. */
  readonly ethertype?: number | undefined;
  /** Destination MAC. */
  readonly mac?: string | undefined;
  readonly family?: 4 | 6 | undefined;
  /** Upper layer: `tcp`, `udp`, `icmp`, `icmpv6`, `sctp`, `gre`, `esp`, or a number. */
  readonly proto?: string | number | undefined;
  /** Destination ports: numbers and ranges (`"8000-8080"`). Later fragments, which have none, are not taken then. */
  readonly ports?: readonly (number | string)[] | undefined;
  readonly sourcePorts?: readonly (number | string)[] | undefined;
  /** Types of ICMP or ICMPv6, 0 to 255. */
  readonly types?: readonly number[] | undefined;
  /** Prefixes of the source. */
  readonly from?: readonly string[] | undefined;
  /** Prefixes of the destination. */
  readonly to?: readonly string[] | undefined;
  /**
   * Not with `trap`. punt: the packet is the handler's, and goes nowhere by itself. copy: it goes on, and the handler
   * gets a copy. Default `punt`.
   */
  readonly action?: "punt" | "copy" | undefined;
}

const OPERATION = "register a handler for packets";
const ACTIONS: readonly (string | undefined)[] = ["punt", "copy", undefined];
const VLAN_TYPES: ReadonlySet<number> = new Set([0x8100, 0x88a8]);

const refusal = (reason: string, hint?: string): WeirError =>
  new WeirError({ code: "EINVAL", operation: OPERATION, reason, hint });

/**
 * A match as what packets are compared with: one of the elements must fit.
 * @throws WeirError `EINVAL`
 */
export function elementsOf(match: PacketMatch): readonly MatchElement[] {
  const protocol = read(() => parseProtocol(match.proto, "the match"));
  const ports = list(match.ports, "ports", () => parsePorts(match.ports ?? [], protocol, "the match"));
  const sourcePorts = list(match.sourcePorts, "sourcePorts", () =>
    parsePorts(match.sourcePorts ?? [], protocol, "the match"),
  );
  const from = list(match.from, "from", () => (match.from ?? []).map((text) => parseNetwork(text, "the match")));
  const to = list(match.to, "to", () => (match.to ?? []).map((text) => parseNetwork(text, "the match")));
  const types = list(match.types, "types", () => typesOf(match, protocol));
  const fixed = { ...fixedPart(match), protocol };
  const family = match.family ?? (familyOfProtocol(protocol) || undefined);
  const elements: MatchElement[] = [];
  for (const source of from) {
    for (const destination of to) {
      const families = new Set([family, source?.family, destination?.family].filter((one) => one !== undefined));
      if (families.size > 1) continue;
      const [only] = families;
      for (const sourceRange of sourcePorts) {
        for (const range of ports) {
          for (const type of types) {
            elements.push({
              ...fixed,
              family: only,
              source,
              destination,
              sourcePorts: sourceRange,
              ports: range,
              type,
            });
          }
        }
      }
    }
  }
  if (elements.length === 0) throw refusal("no packet is of two families, as the match has it");
  return elements;
}

function fixedPart(match: PacketMatch): Pick<MatchElement, "interface" | "vrf" | "mac" | "ethertype"> {
  const { ethertype, action } = match;
  if (ethertype !== undefined && !(Number.isInteger(ethertype) && ethertype >= 0 && ethertype <= 0xffff)) {
    throw refusal(`ethertype ${JSON.stringify(ethertype)} is not 0 to 65535`);
  }
  if (match.family !== undefined && match.family !== 4 && match.family !== 6) {
    throw refusal(`family ${JSON.stringify(match.family)} is not 4 or 6`);
  }
  if (!ACTIONS.includes(action)) throw refusal(`action ${JSON.stringify(action)} is not "punt" or "copy"`);
  const mac = match.mac === undefined ? undefined : parseMac(match.mac);
  if (match.mac !== undefined && mac === undefined) throw refusal(`mac ${JSON.stringify(match.mac)} is no MAC address`);
  return { interface: match.interface, vrf: match.vrf, mac, ethertype };
}

function typesOf({ types = [] }: PacketMatch, protocol: number | undefined): number[] {
  if (protocol === undefined || familyOfProtocol(protocol) === 0) {
    throw refusal("types belong to ICMP", "use proto icmp or icmpv6");
  }
  const wrong = types.find((type) => !(Number.isInteger(type) && type >= 0 && type <= 255));
  if (wrong !== undefined) throw refusal(`types: ${JSON.stringify(wrong)} is not 0 to 255`);
  return [...types];
}

/** The values of a field; one that is absent where it is not given. */
function list<T>(given: readonly unknown[] | undefined, field: string, values: () => T[]): readonly (T | undefined)[] {
  if (given === undefined) return [undefined];
  if (given.length === 0) throw refusal(`${field} is empty, and so is what matches`);
  return read(values);
}

/** Has what is wrong with a field said of the match. */
function read<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof WeirError && error.code !== "EINVAL") throw refusal(error.reason, error.hint);
    throw error;
  }
}

/** Whether a trapped packet fits. @param names of the interface that received it, and of its VRF */
export function fits(
  { key, frame }: TrappedPacket,
  match: MatchElement,
  names: { readonly interface: string; readonly vrf: string | undefined },
): boolean {
  const { source, destination, sourcePorts, ports } = match;
  return (
    (match.interface === undefined || match.interface === names.interface) &&
    (match.vrf === undefined || match.vrf === names.vrf) &&
    (match.mac === undefined || match.mac.every((byte, i) => byte === frame[i])) &&
    (match.ethertype === undefined || match.ethertype === ethertypeOf(frame)) &&
    (match.family === undefined || match.family === key?.family) &&
    (match.protocol === undefined || match.protocol === key?.protocol) &&
    (match.type === undefined || match.type === key?.icmpType) &&
    (source === undefined || (key !== undefined && holds(source, key.family, key.source))) &&
    (destination === undefined || (key !== undefined && holds(destination, key.family, key.destination))) &&
    (sourcePorts === undefined || (key !== undefined && isIn(key.sourcePort, sourcePorts))) &&
    (ports === undefined || (key !== undefined && isIn(key.destinationPort, ports)))
  );
}

const isIn = (port: number, { first, last }: Range): boolean => port >= first && port <= last;

const holds = (prefix: Prefix, family: 4 | 6, bytes: Uint8Array): boolean => contains(prefix, { family, bytes });

function ethertypeOf(frame: Uint8Array): number {
  const at = (offset: number) => ((frame[offset] ?? 0) << 8) | (frame[offset + 1] ?? 0);
  let offset = 12;
  while (VLAN_TYPES.has(at(offset)) && offset < 20) offset += 4;
  return at(offset);
}
