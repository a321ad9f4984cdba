// SPDX-License-Identifier: Apache-2.0
/** ARP requests (RFC 826) and neighbour solicitations (RFC 4861 section 4.3) out of the interface of a next hop. */

import { finish, pseudo, sum } from "./checksum";
import { count, interfaceOf } from "./control";
import { copyMac } from "./ethernet";
import { takePacket } from "./frames";
import { injectTransmit } from "./inject";
import {
  INTERFACE_GATEWAY4,
  INTERFACE_GATEWAY6,
  INTERFACE_GATEWAY_MAC,
  INTERFACE_ROLE,
  ROLE_WORKLOAD,
  WORKER_CONTROL_SOLICITED,
} from "./layout";
import * as parsed from "./parse";
import { outInterfaceIdOf, parseTrapped, vrfOf } from "./trap";

const ETHERNET: u32 = 14;
const ARP_LENGTH: u32 = 28;
const NS_LENGTH: u32 = 32; // with the source link-layer address option
const IPV6_HEADER: u32 = 40;
const NEIGHBOUR_SOLICITATION: u8 = 135;

/**
 * Asks for the link-layer address of the packet's destination, where that is a workload. On the fabric the kernel asks
 * for the neighbours that next hops need, which are seldom the destination.
 */
export function solicit(packet: usize, length: u32): void {
  const interfaceId = outInterfaceIdOf(packet);
  const from = interfaceOf(interfaceId);
  if (from == 0 || load<u8>(from + INTERFACE_ROLE) != ROLE_WORKLOAD) return;
  if (!parseTrapped(packet, length)) return;
  const request = takePacket();
  if (request == 0) return;
  const mac = from + INTERFACE_GATEWAY_MAC;
  const size =
    parsed.family == 4
      ? writeArp(request, mac, from + INTERFACE_GATEWAY4)
      : writeSolicitation(request, mac, from + INTERFACE_GATEWAY6);
  if (injectTransmit(request, size, interfaceId, vrfOf(packet))) count(WORKER_CONTROL_SOLICITED);
}

function writeArp(at: usize, mac: usize, address: usize): u32 {
  store<u32>(at, ~0);
  store<u16>(at + 4, ~0);
  copyMac(at + 6, mac);
  store<u16>(at + 12, bswap<u16>(0x0806));
  const arp = at + ETHERNET;
  store<u32>(arp, bswap<u32>(0x0001_0800)); // Ethernet, IPv4
  store<u32>(arp + 4, bswap<u32>(0x0604_0001)); // lengths, request
  copyMac(arp + 8, mac);
  // Without an address this is a probe (RFC 5227), which is answered as well.
  store<u32>(arp + 14, load<u32>(address));
  store<u32>(arp + 18, 0);
  store<u16>(arp + 22, 0);
  store<u32>(arp + 24, load<u32>(parsed.l3 + 16));
  return ETHERNET + ARP_LENGTH;
}

function writeSolicitation(at: usize, mac: usize, address: usize): u32 {
  const target = parsed.l3 + 24;
  const ip = at + ETHERNET;
  store<u16>(at, 0x3333); // RFC 2464 section 7: 33:33 and the last four bytes of the group
  store<u8>(at + 2, 0xff);
  store<u8>(at + 3, load<u8>(target + 13));
  store<u16>(at + 4, load<u16>(target + 14));
  copyMac(at + 6, mac);
  store<u16>(at + 12, bswap<u16>(0x86dd));

  store<u32>(ip, 0x60);
  store<u16>(ip + 4, bswap<u16>(<u16>NS_LENGTH));
  store<u8>(ip + 6, <u8>parsed.PROTOCOL_ICMPV6);
  store<u8>(ip + 7, 255);
  if ((load<u64>(address) | load<u64>(address + 8)) != 0) memory.copy(ip + 8, address, 16);
  else linkLocal(ip + 8, mac);
  // Solicited-node multicast address, RFC 4291 section 2.7.1: ff02::1:ff and the last three bytes.
  store<u64>(ip + 24, 0x02ff);
  store<u32>(ip + 32, 0x0100_0000);
  store<u8>(ip + 36, 0xff);
  store<u8>(ip + 37, load<u8>(target + 13));
  store<u16>(ip + 38, load<u16>(target + 14));

  const icmp = ip + IPV6_HEADER;
  store<u32>(icmp, NEIGHBOUR_SOLICITATION);
  store<u32>(icmp + 4, 0);
  memory.copy(icmp + 8, target, 16);
  store<u16>(icmp + 24, 0x0101); // option: source link-layer address, 8 bytes
  copyMac(icmp + 26, mac);
  store<u16>(icmp + 2, finish(sum(icmp, NS_LENGTH, pseudo(ip + 8, 32, <u8>parsed.PROTOCOL_ICMPV6, NS_LENGTH))));
  return ETHERNET + IPV6_HEADER + NS_LENGTH;
}

/** The link-local address made from a MAC (RFC 4291 appendix A). */
function linkLocal(to: usize, mac: usize): void {
  store<u64>(to, 0x80fe);
  store<u8>(to + 8, load<u8>(mac) ^ 2);
  store<u16>(to + 9, load<u16>(mac + 1));
  store<u16>(to + 11, 0xfeff);
  store<u8>(to + 13, load<u8>(mac + 3));
  store<u16>(to + 14, load<u16>(mac + 4));
}
