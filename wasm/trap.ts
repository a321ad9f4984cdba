// SPDX-License-Identifier: Apache-2.0
/** The metadata that the kernel programs put directly in front of a trapped packet (struct trap_meta). */

import { headLength, roomInFront } from "./frames";
import {
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
import { parse } from "./parse";

/** Parses a trapped packet, whose metadata says where its IP header is. */
export function parseTrapped(packet: usize, length: u32): bool {
  return parse(packet, length, headLength(packet, length), l3OffsetOf(packet));
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
