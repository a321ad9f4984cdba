// SPDX-License-Identifier: Apache-2.0
/**
 * Reads the headers of one packet into module variables; the next `parse` overwrites them. The kernel program
 * has parsed the packet already and says where the IP header is; lengths are checked here again all the same.
 */

import {
  FLOW4_KEY_DESTINATION,
  FLOW4_KEY_DESTINATION_PORT,
  FLOW4_KEY_PROTOCOL,
  FLOW4_KEY_SOURCE,
  FLOW4_KEY_SOURCE_PORT,
  FLOW6_KEY_DESTINATION,
  FLOW6_KEY_DESTINATION_PORT,
  FLOW6_KEY_PROTOCOL,
  FLOW6_KEY_SOURCE,
  FLOW6_KEY_SOURCE_PORT,
  FLOW_DECISION_DESTINATION,
  FLOW_DECISION_DESTINATION_PORT,
  FLOW_DECISION_FAMILY,
  FLOW_DECISION_PROTOCOL,
  FLOW_DECISION_SOURCE,
  FLOW_DECISION_SOURCE_PORT,
} from "./layout";

export const PROTOCOL_ICMP: u32 = 1;
export const PROTOCOL_TCP: u32 = 6;
export const PROTOCOL_UDP: u32 = 17;
export const PROTOCOL_ICMPV6: u32 = 58;
const PROTOCOL_SCTP: u32 = 132;

/** IPv6 extension headers (RFC 8200 section 4, RFC 4302). */
const HOP_BY_HOP: u32 = 0;
const ROUTING: u32 = 43;
const FRAGMENT: u32 = 44;
const AUTHENTICATION: u32 = 51;
const DESTINATION_OPTIONS: u32 = 60;
const MAX_EXTENSIONS: u32 = 8;

const ICMP_ECHO_REPLY: u32 = 0;
const ICMP_ECHO: u32 = 8;
const ICMPV6_ECHO: u32 = 128;
const ICMPV6_ECHO_REPLY: u32 = 129;
/** RFC 4443 section 2.1: the first type that is no error. */
const ICMPV6_FIRST_INFO: u32 = 128;

/** 4 or 6. */
export let family: u32 = 0;
/** Of the upper layer, past all extension headers. */
export let protocol: u32 = 0;
/** Address of the IP header. */
export let l3: usize = 0;
/** Address of the upper-layer header; 0 where there is none (later fragments). */
export let l4: usize = 0;
/** Address of the byte after the IP packet, without the padding of the frame; in a chain, as if it were one piece. */
export let end: usize = 0;
/** Address of the first byte that cannot be read here: `end`, or where the packet's first frame ends. */
export let readable: usize = 0;
/** Addresses, mapped, as two halves each, bytes in the order in which they lie. */
export let source0: u64 = 0;
export let source1: u64 = 0;
export let destination0: u64 = 0;
export let destination1: u64 = 0;
/** Host order. ICMP: what stands for them in a flow's key (bpf/flow_abi.h, struct flow4_key). Others without ports: 0. */
export let sourcePort: u32 = 0;
export let destinationPort: u32 = 0;
/** True for TCP, UDP and SCTP packets that hold their ports. */
export let hasPorts: bool = false;
/** type << 8 | code of ICMP and ICMPv6; ~0 for all others. */
export let icmp: u32 = ~0;
/** True for a piece of a larger packet, the first too. */
export let fragment: bool = false;
/** Of a fragment: which datagram it is part of, as it lies. */
export let identification: u32 = 0;

/** ::ffff:0:0/96, the bytes 8..11 of it. */
const MAPPED: u64 = 0xffff_0000;

// @ts-ignore: decorator
@inline
function be16(address: usize): u32 {
  return bswap<u16>(load<u16>(address));
}

/**
 * Parses the IP packet `l3Offset` bytes into `packet`.
 * @param length bytes of the packet from `packet` on
 * @param head those of them that lie there in one piece
 * @return false if it is none, or is cut short
 */
export function parse(packet: usize, length: u32, head: u32, l3Offset: u32): bool {
  l4 = 0;
  sourcePort = 0;
  destinationPort = 0;
  hasPorts = false;
  icmp = ~0;
  fragment = false;
  family = 0;
  if (l3Offset == 0 || l3Offset >= head) return false;
  l3 = packet + l3Offset;
  const limit = packet + length;
  readable = packet + head;
  const version = load<u8>(l3) >> 4;
  if (version == 4) return parse4(limit);
  if (version == 6) return parse6(limit);
  return false;
}

function parse4(limit: usize): bool {
  if (l3 + 20 > readable) return false;
  const header: u32 = (load<u8>(l3) & 15) << 2;
  const total = be16(l3 + 2);
  if (header < 20 || total < header || l3 + total > limit) return false;
  family = 4;
  end = l3 + total;
  readable = min(readable, end);
  protocol = load<u8>(l3 + 9);
  source0 = 0;
  source1 = MAPPED | (<u64>load<u32>(l3 + 12) << 32);
  destination0 = 0;
  destination1 = MAPPED | (<u64>load<u32>(l3 + 16) << 32);
  const offset = be16(l3 + 6) & 0x3fff;
  fragment = offset != 0;
  identification = load<u16>(l3 + 4);
  if ((offset & 0x1fff) != 0) return true;
  return parseUpper(l3 + header);
}

function parse6(limit: usize): bool {
  if (l3 + 40 > readable) return false;
  end = l3 + 40 + be16(l3 + 4);
  if (end > limit) return false;
  readable = min(readable, end);
  family = 6;
  source0 = load<u64>(l3 + 8);
  source1 = load<u64>(l3 + 16);
  destination0 = load<u64>(l3 + 24);
  destination1 = load<u64>(l3 + 32);
  protocol = load<u8>(l3 + 6);
  let at = l3 + 40;
  for (let i: u32 = 0; i < MAX_EXTENSIONS; i++) {
    let size: u32;
    if (protocol == HOP_BY_HOP || protocol == ROUTING || protocol == DESTINATION_OPTIONS) {
      if (at + 8 > readable) return false;
      size = (<u32>load<u8>(at + 1) + 1) << 3;
    } else if (protocol == AUTHENTICATION) {
      if (at + 8 > readable) return false;
      size = (<u32>load<u8>(at + 1) + 2) << 2;
    } else if (protocol == FRAGMENT) {
      if (at + 8 > readable) return false;
      size = 8;
      const offset = be16(at + 2);
      // An "atomic" fragment (RFC 6946) is a whole packet.
      fragment = (offset & 0xfff9) != 0;
      identification = load<u32>(at + 4);
      if ((offset & 0xfff8) != 0) {
        protocol = load<u8>(at);
        return true;
      }
    } else {
      return parseUpper(at);
    }
    protocol = load<u8>(at);
    at += size;
    if (at > readable) return false;
  }
  return false;
}

function parseUpper(at: usize): bool {
  l4 = at;
  if (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP) {
    if (at + 8 > readable) return false;
    sourcePort = be16(at);
    destinationPort = be16(at + 2);
    hasPorts = true;
    return true;
  }
  if (protocol == (family == 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6)) {
    if (at + 8 > readable) return false;
    const type: u32 = load<u8>(at);
    icmp = (type << 8) | load<u8>(at + 1);
    setIcmpPorts(type, be16(at + 4));
  }
  return true;
}

/** The kernel program does the same (bpf/parse_l4.h, icmp_ports). */
function setIcmpPorts(type: u32, identifier: u32): void {
  const request = family == 4 ? ICMP_ECHO : ICMPV6_ECHO;
  const reply = family == 4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY;
  if (type == request || type == reply) {
    sourcePort = identifier;
    destinationPort = identifier;
  } else if (!isIcmpError(type)) {
    const counterpart = icmpCounterpart(type);
    sourcePort = counterpart == 0 ? 0 : (counterpart << 8) | (icmp & 0xff);
    destinationPort = icmp;
  }
}

/**
 * Reads the key of a flow (struct flow4_key, struct flow6_key) as if the first packet of its direction had been parsed:
 * what policy looks at is in it, but for the code of an echo.
 */
export function parseKey(version: u32, key: usize): void {
  l4 = 0;
  fragment = false;
  family = version;
  icmp = ~0;
  if (version == 4) {
    protocol = load<u8>(key + FLOW4_KEY_PROTOCOL);
    source0 = 0;
    source1 = MAPPED | (<u64>load<u32>(key + FLOW4_KEY_SOURCE) << 32);
    destination0 = 0;
    destination1 = MAPPED | (<u64>load<u32>(key + FLOW4_KEY_DESTINATION) << 32);
    sourcePort = be16(key + FLOW4_KEY_SOURCE_PORT);
    destinationPort = be16(key + FLOW4_KEY_DESTINATION_PORT);
  } else {
    protocol = load<u8>(key + FLOW6_KEY_PROTOCOL);
    source0 = load<u64>(key + FLOW6_KEY_SOURCE);
    source1 = load<u64>(key + FLOW6_KEY_SOURCE + 8);
    destination0 = load<u64>(key + FLOW6_KEY_DESTINATION);
    destination1 = load<u64>(key + FLOW6_KEY_DESTINATION + 8);
    sourcePort = be16(key + FLOW6_KEY_SOURCE_PORT);
    destinationPort = be16(key + FLOW6_KEY_DESTINATION_PORT);
  }
  readKeyUpper();
}

/** The same of a decision's record (struct flow_decision). */
export function parseDecision(record: usize): void {
  l4 = 0;
  fragment = false;
  family = load<u8>(record + FLOW_DECISION_FAMILY);
  icmp = ~0;
  protocol = load<u8>(record + FLOW_DECISION_PROTOCOL);
  source0 = load<u64>(record + FLOW_DECISION_SOURCE);
  source1 = load<u64>(record + FLOW_DECISION_SOURCE + 8);
  destination0 = load<u64>(record + FLOW_DECISION_DESTINATION);
  destination1 = load<u64>(record + FLOW_DECISION_DESTINATION + 8);
  sourcePort = be16(record + FLOW_DECISION_SOURCE_PORT);
  destinationPort = be16(record + FLOW_DECISION_DESTINATION_PORT);
  readKeyUpper();
}

function readKeyUpper(): void {
  hasPorts = protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP;
  if (protocol != (family == 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6)) return;
  // An echo has its identifier in both.
  if (sourcePort == destinationPort) icmp = (family == 4 ? ICMP_ECHO : ICMPV6_ECHO) << 8;
  else icmp = destinationPort;
}

/** Turns what was read into the direction that the packet answers. Who wants the packet's own again parses it again. */
export function turn(): void {
  const from0 = source0;
  const from1 = source1;
  const fromPort = sourcePort;
  source0 = destination0;
  source1 = destination1;
  sourcePort = destinationPort;
  destination0 = from0;
  destination1 = from1;
  destinationPort = fromPort;
  if (icmp == ~0) return;
  // An echo's ports are its identifier, any other's are types and codes.
  if (icmp >> 8 == (family == 4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY)) {
    icmp = (family == 4 ? ICMP_ECHO : ICMPV6_ECHO) << 8;
  } else {
    icmp = destinationPort;
  }
}

/** Destination unreachable, source quench, redirect, time exceeded, parameter problem; in ICMPv6 by their range. */
function isIcmpError(type: u32): bool {
  if (family == 6) return type < ICMPV6_FIRST_INFO;
  return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/** The type that answers `type`, or that it answers; 0: there is none. Pairs begin odd. */
function icmpCounterpart(type: u32): u32 {
  const paired =
    family == 4 ? type >= 13 && type <= 18 : (type >= 133 && type <= 136) || type == 139 || type == 140;
  return paired ? ((type - 1) ^ 1) + 1 : 0;
}

/** True of an address that is good on its link only: 169.254.0.0/16, fe80::/10. */
export function isLinkLocal(half0: u64, half1: u64): bool {
  return family == 4 ? (<u32>(half1 >> 32) & 0xffff) == 0xfea9 : (half0 & 0xc0ff) == 0x80fe;
}

/** True if the two halves are no address of a single host: multicast, unspecified, IPv4 broadcast or loopback. */
export function isNoHost(half0: u64, half1: u64): bool {
  if (family == 4) {
    const first = <u32>(half1 >> 32) & 0xff;
    return first >= 224 || first == 127 || first == 0;
  }
  if ((half0 & 0xff) == 0xff) return true;
  // :: and ::1
  return half0 == 0 && (half1 == 0 || half1 == 0x0100_0000_0000_0000);
}
