// SPDX-License-Identifier: Apache-2.0
/**
 * ARP and neighbour discovery packets that the kernel program does not answer itself (traps arp and
 * neighbour-discovery). It has learned from them what there was to learn.
 */

import { interfaceOf } from "./control";
import { INTERFACE_NEXTHOP, TRAP_ARP } from "./layout";
import { headLength } from "./frames";
import { icmp } from "./parse";
import { neighbourHeard } from "./resolve";
import { interfaceIdOf, l3OffsetOf, parseTrapped, reasonOf } from "./trap";

const ARP_LENGTH: u32 = 28;
const ARP_REPLY: u32 = 2;
const NEIGHBOUR_ADVERTISEMENT: u32 = 136;

/**
 * Lets packets go on that waited for the sender's address.
 * @return true if the packet was an answer or an announcement, which asks for nothing
 */
export function hearNeighbour(packet: usize, length: u32): bool {
  const at = interfaceOf(interfaceIdOf(packet));
  if (at != 0) neighbourHeard(load<u32>(at + INTERFACE_NEXTHOP));
  return reasonOf(packet) == TRAP_ARP ? isArpStatement(packet, length) : isAdvertisement(packet, length);
}

/** A reply, or a request for the sender's own address (RFC 5227: an announcement). */
function isArpStatement(packet: usize, length: u32): bool {
  const l3 = l3OffsetOf(packet);
  if (l3 == 0 || l3 + ARP_LENGTH > headLength(packet, length)) return false;
  const arp = packet + l3;
  return <u32>bswap<u16>(load<u16>(arp + 6)) == ARP_REPLY || load<u32>(arp + 14) == load<u32>(arp + 24);
}

function isAdvertisement(packet: usize, length: u32): bool {
  return parseTrapped(packet, length) && icmp >> 8 == NEIGHBOUR_ADVERTISEMENT;
}
