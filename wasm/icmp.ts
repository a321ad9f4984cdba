// SPDX-License-Identifier: Apache-2.0
/**
 * ICMP and ICMPv6 errors (RFC 792, RFC 4443). The frame of the packet at fault becomes the error: the headers
 * are written in front of the IP header, which so becomes the quotation.
 */

import { finish, pseudo, sum } from "./checksum";
import { control, count, get, interfaceOf } from "./control";
import { mayCauseError } from "./error_limit";
import { isGroupFrame, turnRound } from "./ethernet";
import { freePacket, keepHead, roomInFront } from "./frames";
import { injectBack, noteOrigin } from "./inject";
import {
  INJECT_META_SIZE,
  INTERFACE_ADDRESS4,
  INTERFACE_ADDRESS6,
  INTERFACE_GATEWAY4,
  INTERFACE_GATEWAY6,
  INTERFACE_ROLE,
  ROLE_FABRIC,
  WORKER_CONTROL_ERRORS_SENT,
  WORKER_CONTROL_NODE_ADDRESS4,
  WORKER_CONTROL_NODE_ADDRESS6,
} from "./layout";
import * as parsed from "./parse";
import { interfaceIdOf, l3OffsetOf, mtuOf, parseTrapped } from "./trap";

/** Types and codes, as type << 8 | code. */
const NET_UNREACHABLE: u32 = 0x0300;
const FRAGMENTATION_NEEDED: u32 = 0x0304;
const ADMIN_PROHIBITED: u32 = 0x030d;
const TTL_EXCEEDED: u32 = 0x0b00;
const V6_NO_ROUTE: u32 = 0x0100;
const V6_ADMIN_PROHIBITED: u32 = 0x0101;
const V6_PACKET_TOO_BIG: u32 = 0x0200;
const V6_HOP_LIMIT_EXCEEDED: u32 = 0x0300;

const IPV4_HEADER: u32 = 20;
const IPV6_HEADER: u32 = 40;
const ICMP_HEADER: u32 = 8;
/** RFC 1812 section 4.3.2.3: as much as fits without making the error longer than this. */
const MAX_ERROR_4: u32 = 576;
/** RFC 4443 section 2.4 (c): the minimum MTU. */
const MAX_ERROR_6: u32 = 1280;
/** RFC 1812 section 4.3.2.5: precedence "internetwork control". */
const TOS_INTERNETWORK_CONTROL: u8 = 0xc0;
const TTL: u8 = 64;

let identification: u16 = 0;

/** Answers a packet whose TTL or hop limit ran out, or frees it. */
export function timeExceeded(packet: usize, length: u32): void {
  report(packet, length, TTL_EXCEEDED, V6_HOP_LIMIT_EXCEEDED, 0);
}

/** Answers a packet for which there is no route, or frees it. */
export function unreachable(packet: usize, length: u32): void {
  report(packet, length, NET_UNREACHABLE, V6_NO_ROUTE, 0);
}

/** Answers a packet that policy rejects, or frees it. */
export function prohibited(packet: usize, length: u32): void {
  report(packet, length, ADMIN_PROHIBITED, V6_ADMIN_PROHIBITED, 0);
}

/** Answers a packet that does not fit the MTU of its next hop, or frees it. */
export function packetTooBig(packet: usize, length: u32): void {
  const mtu = mtuOf(packet);
  if (mtu == 0) freePacket(packet);
  else report(packet, length, FRAGMENTATION_NEEDED, V6_PACKET_TOO_BIG, mtu);
}

function report(packet: usize, length: u32, code4: u32, code6: u32, mtu: u32): void {
  const interfaceId = interfaceIdOf(packet);
  const valid = parseTrapped(packet, length) && mayReport(packet, code6 == V6_PACKET_TOO_BIG);
  if (!valid || !mayCauseError(interfaceId)) {
    freePacket(packet);
    return;
  }
  const l2 = l3OffsetOf(packet);
  noteOrigin(packet);
  const headers = parsed.family == 4 ? IPV4_HEADER + ICMP_HEADER : IPV6_HEADER + ICMP_HEADER;
  const quoted = min(<u32>(parsed.readable - parsed.l3), (parsed.family == 4 ? MAX_ERROR_4 : MAX_ERROR_6) - headers);
  const error = packet - headers;
  if (roomInFront(packet) < headers + <u32>INJECT_META_SIZE) {
    freePacket(packet);
    return;
  }
  keepHead(packet);
  memory.copy(error, packet, l2);
  turnRound(error);
  const written =
    parsed.family == 4
      ? writeError4(error + l2, interfaceId, quoted, code4, mtu)
      : writeError6(error + l2, interfaceId, quoted, code6, mtu);
  if (!written) {
    freePacket(packet);
    return;
  }
  if (injectBack(error, l2 + headers + quoted)) count(WORKER_CONTROL_ERRORS_SENT);
}

/**
 * What no error may be sent about (RFC 1812 section 4.3.2.7, RFC 4443 section 2.4 (e)): errors, groups, sources
 * that are no host, fragments but the first. "Packet too big" is sent for multicast too.
 */
function mayReport(packet: usize, tooBig6: bool): bool {
  if (parsed.l4 == 0 || parsed.isNoHost(parsed.source0, parsed.source1)) return false;
  const group = isGroupFrame(packet) || isGroup();
  if (group && !(tooBig6 && parsed.family == 6)) return false;
  if (parsed.icmp == ~0) return true;
  const type = parsed.icmp >> 8;
  if (parsed.family == 6) return type >= 128 && type != 137; // 137: redirect
  return type == 0 || type == 8 || (type >= 13 && type <= 18); // queries only, not errors or unknown ones
}

function isGroup(): bool {
  if (parsed.family == 6) return (parsed.destination0 & 0xff) == 0xff;
  return (<u32>(parsed.destination1 >> 32) & 0xff) >= 224;
}

function writeError4(at: usize, interfaceId: u32, quoted: u32, code: u32, mtu: u32): bool {
  const destination = load<u32>(parsed.l3 + 12);
  const source = sourceAddress4(interfaceId);
  if (source == 0) return false;
  const total = IPV4_HEADER + ICMP_HEADER + quoted;
  store<u16>(at, 0x45 | (<u16>TOS_INTERNETWORK_CONTROL << 8));
  store<u16>(at + 2, bswap<u16>(<u16>total));
  store<u16>(at + 4, bswap<u16>(++identification));
  store<u16>(at + 6, 0);
  store<u8>(at + 8, TTL);
  store<u8>(at + 9, <u8>parsed.PROTOCOL_ICMP);
  store<u16>(at + 10, 0);
  store<u32>(at + 12, source);
  store<u32>(at + 16, destination);
  store<u16>(at + 10, finish(sum(at, IPV4_HEADER, 0)));
  const icmp = at + IPV4_HEADER;
  store<u16>(icmp, bswap<u16>(<u16>code));
  store<u16>(icmp + 2, 0);
  // RFC 1191: the MTU in the lower half of the unused word.
  store<u32>(icmp + 4, bswap<u32>(mtu & 0xffff));
  store<u16>(icmp + 2, finish(sum(icmp, ICMP_HEADER + quoted, 0)));
  return true;
}

function writeError6(at: usize, interfaceId: u32, quoted: u32, code: u32, mtu: u32): bool {
  const source = sourceAddress6(interfaceId);
  if (source == 0) return false;
  const payload = ICMP_HEADER + quoted;
  store<u32>(at, 0x60);
  store<u16>(at + 4, bswap<u16>(<u16>payload));
  store<u8>(at + 6, <u8>parsed.PROTOCOL_ICMPV6);
  store<u8>(at + 7, TTL);
  memory.copy(at + 8, source, 16);
  memory.copy(at + 24, parsed.l3 + 8, 16);
  const icmp = at + IPV6_HEADER;
  store<u16>(icmp, bswap<u16>(<u16>code));
  store<u16>(icmp + 2, 0);
  store<u32>(icmp + 4, bswap<u32>(mtu));
  const header = pseudo(at + 8, 32, <u8>parsed.PROTOCOL_ICMPV6, payload);
  store<u16>(icmp + 2, finish(sum(icmp, payload, header)));
  return true;
}

/**
 * The address that errors to senders on an interface come from, as it lies: its first gateway address; a
 * link-local one only to a workload or the host, which is on the link itself. Else, on our own links, our address there,
 * and at last the node's. 0: none.
 */
function sourceAddress4(interfaceId: u32): u32 {
  const at = interfaceOf(interfaceId);
  if (at != 0) {
    const onLink = load<u8>(at + INTERFACE_ROLE) != ROLE_FABRIC;
    const gateway = load<u32>(at + INTERFACE_GATEWAY4);
    const linkLocal = (gateway & 0xffff) == 0xfea9; // 169.254
    if (gateway != 0 && (onLink || !linkLocal)) return gateway;
    const own = load<u32>(at + INTERFACE_ADDRESS4);
    if (own != 0 && !onLink) return own;
  }
  return get(WORKER_CONTROL_NODE_ADDRESS4);
}

/** The same for IPv6: where the 16 bytes are. 0: none. */
function sourceAddress6(interfaceId: u32): usize {
  const at = interfaceOf(interfaceId);
  if (at != 0) {
    const onLink = load<u8>(at + INTERFACE_ROLE) != ROLE_FABRIC;
    const gateway = at + INTERFACE_GATEWAY6;
    const linkLocal = (load<u16>(gateway) & 0xc0ff) == 0x80fe; // fe80::/10
    if (isAddress6(gateway) && (onLink || !linkLocal)) return gateway;
    const own = at + INTERFACE_ADDRESS6;
    if (isAddress6(own) && !onLink) return own;
  }
  const node = control + WORKER_CONTROL_NODE_ADDRESS6;
  return isAddress6(node) ? node : 0;
}

// @ts-ignore: decorator
@inline
function isAddress6(at: usize): bool {
  return (load<u64>(at) | load<u64>(at + 8)) != 0;
}
