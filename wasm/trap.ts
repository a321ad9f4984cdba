// SPDX-License-Identifier: Apache-2.0
/** The metadata that the kernel programs put directly in front of a trapped packet (struct trap_meta). */

import { interfaceOf, nexthopOf } from "./control";
import { headLength, roomInFront } from "./frames";
import {
  ENCAP_VXLAN,
  INTERFACE_VRF,
  NEXTHOP_ENCAP,
  NEXTHOP_MTU,
  NEXTHOP_TUNNEL,
  NEXTHOP_TYPE,
  TRAP_FLAG_ANSWER,
  TRAP_FLAG_BRIDGED,
  TRAP_FLAG_HOLD_OWNER,
  TRAP_FLAG_REROUTED,
  TRAP_FLOW_MISS,
  TRAP_META_FLAGS,
  TRAP_META_FORWARDING_CLASS,
  TRAP_META_GENERATION,
  TRAP_META_INGRESS,
  TRAP_META_INTERFACE,
  TRAP_META_L3_OFFSET,
  TRAP_META_MAGIC,
  TRAP_META_NEXTHOP,
  TRAP_META_OUT_INTERFACE,
  TRAP_META_REASON,
  TRAP_META_REVERSE_NEXTHOP,
  TRAP_META_SIZE,
  TRAP_META_VRF,
  WEIR_TRAP_MAGIC,
} from "./layout";
import { parse, turn } from "./parse";

const ETHERNET: u32 = 14;

/** Parses a trapped packet, whose metadata says where its IP header is. */
export function parseTrapped(packet: usize, length: u32): bool {
  return parse(packet, length, headLength(packet, length), l3OffsetOf(packet));
}

/** The same, but of a packet of a flow that the other direction began: as if that had sent it. */
export function parseBegun(packet: usize, length: u32): bool {
  if (!parseTrapped(packet, length)) return false;
  if (isAnswer(packet)) turn();
  return true;
}

/** True if the other direction began its flow, which was allowed. */
// @ts-ignore: decorator
@inline
export function isAnswer(packet: usize): bool {
  return reasonOf(packet) == TRAP_FLOW_MISS && (flagsOf(packet) & TRAP_FLAG_ANSWER) != 0;
}

/** True if its flow was allowed, and goes elsewhere now. */
// @ts-ignore: decorator
@inline
export function isRerouted(packet: usize): bool {
  return (flagsOf(packet) & (TRAP_FLAG_REROUTED | TRAP_FLAG_ANSWER)) != 0;
}

/**
 * True if the flow may end by what is decided about the packet. Any other came in through a wrong interface, and names
 * the generation of somebody else's flow.
 */
// @ts-ignore: decorator
@inline
export function mayEndFlow(packet: usize): bool {
  return (flagsOf(packet) & (TRAP_FLAG_HOLD_OWNER | TRAP_FLAG_REROUTED)) != 0;
}

/** True if the packet carries metadata. */
export function isTrap(packet: usize): bool {
  if (roomInFront(packet) < TRAP_META_SIZE) return false;
  return load<u32>(packet - TRAP_META_SIZE + TRAP_META_MAGIC) == WEIR_TRAP_MAGIC;
}

// @ts-ignore: decorator
@inline
export function reasonOf(packet: usize): u32 {
  return load<u8>(packet - TRAP_META_SIZE + TRAP_META_REASON);
}

// @ts-ignore: decorator
@inline
export function flagsOf(packet: usize): u32 {
  return load<u8>(packet - TRAP_META_SIZE + TRAP_META_FLAGS);
}

/** Its class by the QoS map of the interface that received it. */
// @ts-ignore: decorator
@inline
export function forwardingClassOf(packet: usize): u32 {
  return load<u8>(packet - TRAP_META_SIZE + TRAP_META_FORWARDING_CLASS);
}

/** Bytes from the packet to its IP header; 0: none. */
// @ts-ignore: decorator
@inline
export function l3OffsetOf(packet: usize): u32 {
  return load<u8>(packet - TRAP_META_SIZE + TRAP_META_L3_OFFSET);
}

// @ts-ignore: decorator
@inline
export function interfaceIdOf(packet: usize): u32 {
  return load<u16>(packet - TRAP_META_SIZE + TRAP_META_INTERFACE);
}

// @ts-ignore: decorator
@inline
export function outInterfaceIdOf(packet: usize): u32 {
  return load<u16>(packet - TRAP_META_SIZE + TRAP_META_OUT_INTERFACE);
}

// @ts-ignore: decorator
@inline
export function vrfOf(packet: usize): u32 {
  return load<u32>(packet - TRAP_META_SIZE + TRAP_META_VRF);
}

// @ts-ignore: decorator
@inline
export function nexthopIdOf(packet: usize): u32 {
  return load<u32>(packet - TRAP_META_SIZE + TRAP_META_NEXTHOP);
}

/** Layer 3 bytes that fit into its next hop (mtu_of() in bpf/rewrite.h); 0: not known. */
export function mtuOf(packet: usize): u32 {
  const at = nexthopOf(nexthopIdOf(packet));
  if (at == 0) return 0;
  const mtu = load<u32>(at + NEXTHOP_MTU);
  const framed =
    load<u8>(at + NEXTHOP_TYPE) == NEXTHOP_TUNNEL &&
    load<u8>(at + NEXTHOP_ENCAP) != ENCAP_VXLAN &&
    (flagsOf(packet) & TRAP_FLAG_BRIDGED) != 0;
  return framed && mtu > ETHERNET ? mtu - ETHERNET : mtu;
}

// @ts-ignore: decorator
@inline
export function reverseNexthopIdOf(packet: usize): u32 {
  return load<u32>(packet - TRAP_META_SIZE + TRAP_META_REVERSE_NEXTHOP);
}

// @ts-ignore: decorator
@inline
export function generationOf(packet: usize): u32 {
  return load<u32>(packet - TRAP_META_SIZE + TRAP_META_GENERATION);
}

/** Where it came from, as flow entries name it: an interface, or a tunnel. */
// @ts-ignore: decorator
@inline
export function ingressOf(packet: usize): u32 {
  return load<u32>(packet - TRAP_META_SIZE + TRAP_META_INGRESS);
}

/** The interface where its flow began, and the one where that leads to; 0: a tunnel. */
// @ts-ignore: decorator
@inline
export function beginningOf(packet: usize): u32 {
  return isAnswer(packet) ? outInterfaceIdOf(packet) : interfaceIdOf(packet);
}

// @ts-ignore: decorator
@inline
export function endOf(packet: usize): u32 {
  return isAnswer(packet) ? interfaceIdOf(packet) : outInterfaceIdOf(packet);
}

/** VRF of the direction that began its flow. */
export function begunVrfOf(packet: usize): u32 {
  const at = isAnswer(packet) ? interfaceOf(outInterfaceIdOf(packet)) : 0;
  return at == 0 ? vrfOf(packet) : load<u32>(at + INTERFACE_VRF);
}
