// SPDX-License-Identifier: Apache-2.0
/** TCP resets for rejected connections, as a closed port would send them (RFC 9293 section 3.10.7.1). */

import { finish, pseudo, sum } from "./checksum";
import { count } from "./control";
import { mayCauseError } from "./error_limit";
import { isGroupFrame, turnRound } from "./ethernet";
import { freePacket, keepHead } from "./frames";
import { injectBack, noteOrigin } from "./inject";
import { WORKER_CONTROL_ERRORS_SENT } from "./layout";
import * as parsed from "./parse";
import { interfaceIdOf, l3OffsetOf } from "./trap";

const FIN: u32 = 0x01;
const SYN: u32 = 0x02;
const RST: u32 = 0x04;
const ACK: u32 = 0x10;

const TCP_HEADER: u32 = 20;
const IPV4_HEADER: u32 = 20;
const IPV6_HEADER: u32 = 40;
const TTL: u8 = 64;

/** Turns the segment that was parsed last into its reset and sends it, or frees it where none may be sent. */
export function resetConnection(packet: usize, length: u32): void {
  const interfaceId = interfaceIdOf(packet);
  const l4 = parsed.l4;
  const whole = l4 != 0 && l4 + TCP_HEADER <= parsed.readable && !parsed.fragment;
  const flags: u32 = whole ? load<u8>(l4 + 13) : RST;
  const noHost = parsed.isNoHost(parsed.source0, parsed.source1) || isGroupFrame(packet);
  if ((flags & RST) != 0 || noHost || !mayCauseError(interfaceId)) {
    freePacket(packet);
    return;
  }

  const header: u32 = (load<u8>(l4 + 12) >> 4) << 2;
  const payload = <u32>(parsed.end - l4) - min(header, <u32>(parsed.end - l4));
  const segment = payload + ((flags & SYN) != 0 ? 1 : 0) + ((flags & FIN) != 0 ? 1 : 0);
  const acknowledges = (flags & ACK) != 0;
  const sequence = acknowledges ? load<u32>(l4 + 8) : 0;
  const acknowledged = acknowledges ? 0 : bswap<u32>(bswap<u32>(load<u32>(l4 + 4)) + segment);
  const ports = load<u32>(l4);

  const l2 = l3OffsetOf(packet);
  const l3 = parsed.l3;
  noteOrigin(packet);
  keepHead(packet);
  turnRound(packet);
  const tcp = l3 + (parsed.family == 4 ? IPV4_HEADER : IPV6_HEADER);
  if (parsed.family == 4) writeIpv4(l3);
  else writeIpv6(l3);

  store<u32>(tcp, rotl<u32>(ports, 16));
  store<u32>(tcp + 4, sequence);
  store<u32>(tcp + 8, acknowledged);
  store<u8>(tcp + 12, (TCP_HEADER / 4) << 4);
  store<u8>(tcp + 13, acknowledges ? RST : RST | ACK);
  store<u32>(tcp + 14, 0); // window, checksum
  store<u16>(tcp + 18, 0);
  const addresses = parsed.family == 4 ? pseudo(l3 + 12, 8, 6, TCP_HEADER) : pseudo(l3 + 8, 32, 6, TCP_HEADER);
  store<u16>(tcp + 16, finish(sum(tcp, TCP_HEADER, addresses)));

  const total = l2 + <u32>(tcp - l3) + TCP_HEADER;
  if (injectBack(packet, total)) count(WORKER_CONTROL_ERRORS_SENT);
}

/** Turns the IPv4 header round; without options. RFC 6864: DF set, so the identification means nothing. */
function writeIpv4(l3: usize): void {
  const source = load<u32>(l3 + 12);
  store<u16>(l3, 0x45);
  store<u16>(l3 + 2, bswap<u16>(<u16>(IPV4_HEADER + TCP_HEADER)));
  store<u32>(l3 + 4, 0x0040_0000);
  store<u8>(l3 + 8, TTL);
  store<u8>(l3 + 9, 6);
  store<u16>(l3 + 10, 0);
  store<u32>(l3 + 12, load<u32>(l3 + 16));
  store<u32>(l3 + 16, source);
  store<u16>(l3 + 10, finish(sum(l3, IPV4_HEADER, 0)));
}

/** Turns the IPv6 header round; without extension headers. */
function writeIpv6(l3: usize): void {
  const source0 = load<u64>(l3 + 8);
  const source1 = load<u64>(l3 + 16);
  store<u32>(l3, 0x60);
  store<u16>(l3 + 4, bswap<u16>(<u16>TCP_HEADER));
  store<u8>(l3 + 6, 6);
  store<u8>(l3 + 7, TTL);
  store<u64>(l3 + 8, load<u64>(l3 + 24));
  store<u64>(l3 + 16, load<u64>(l3 + 32));
  store<u64>(l3 + 24, source0);
  store<u64>(l3 + 32, source1);
}
