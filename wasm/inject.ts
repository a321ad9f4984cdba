// SPDX-License-Identifier: Apache-2.0
/** Sends packets to the node's end of the trap link, behind a struct inject_meta that says what to do with them. */

import { count, get } from "./control";
import { countDrop } from "./drops";
import { freePacket, roomInFront } from "./frames";
import {
  DROP_MIRROR,
  DROP_TRAP_FULL,
  INGRESS_TUNNEL,
  INJECT_FLAG_ALLOWED,
  INJECT_FLAG_BRIDGED,
  INJECT_FLAG_MIRRORED,
  INJECT_META_ACTION,
  INJECT_META_FLAGS,
  INJECT_META_FORWARDING_CLASS,
  INJECT_META_INGRESS,
  INJECT_META_INTERFACE,
  INJECT_META_MAGIC,
  INJECT_META_MIRROR,
  INJECT_META_NEXTHOP,
  INJECT_META_SIZE,
  INJECT_META_VRF,
  INJECT_MIRROR,
  INJECT_RECEIVED,
  INJECT_ROUTE,
  INJECT_TRANSMIT,
  TRAP_FLAG_BRIDGED,
  TRAP_FLAG_LABEL,
  TRAP_FLAG_MIRRORED,
  WEIR_TRAP_MAGIC,
  WORKER_CONTROL_INJECTED,
  WORKER_CONTROL_PORTS,
  XSK_PORT_TX_FULL,
  XSK_PORT_TX_PACKETS,
} from "./layout";
import { transmit } from "./ring";
import { flagsOf, forwardingClassOf, ingressOf, interfaceIdOf, nexthopIdOf, vrfOf } from "./trap";

/**
 * Sends a packet of ours; its frames are given back when the kernel has it.
 * @return false, counted and freed, if there is no room
 */
export function inject(packet: usize, length: u32, action: u32, interfaceId: u32, vrf: u32): bool {
  const meta = writeMeta(packet, action, interfaceId);
  if (meta != 0) store<u32>(meta + INJECT_META_VRF, vrf);
  return send(packet, length, meta, interfaceId, DROP_TRAP_FULL);
}

/** The header in front of a packet; 0 if there is no room for it. */
function writeMeta(packet: usize, action: u32, interfaceId: u32): usize {
  if (roomInFront(packet) < INJECT_META_SIZE) return 0;
  const meta = packet - INJECT_META_SIZE;
  memory.fill(meta, 0, INJECT_META_SIZE);
  store<u32>(meta + INJECT_META_MAGIC, WEIR_TRAP_MAGIC);
  store<u8>(meta + INJECT_META_ACTION, action);
  store<u16>(meta + INJECT_META_INTERFACE, interfaceId);
  return meta;
}

/** Sends a packet behind its header. */
function send(packet: usize, length: u32, meta: usize, interfaceId: u32, reason: u32): bool {
  const port: usize = get(WORKER_CONTROL_PORTS);
  if (meta != 0 && transmit(port, meta, <u32>INJECT_META_SIZE, length)) {
    raise(port + XSK_PORT_TX_PACKETS);
    count(WORKER_CONTROL_INJECTED);
    return true;
  }
  raise(port + XSK_PORT_TX_FULL);
  countDrop(interfaceId, reason, length);
  freePacket(packet);
  return false;
}

/** Sends a trapped packet through the whole pipeline, as if it had just been received. */
export function injectReceived(packet: usize, length: u32): void {
  receiveAgain(packet, length, 0);
}

/** The same of a packet that policy allows, and for whose flow there is no room. */
export function injectAllowed(packet: usize, length: u32): void {
  receiveAgain(packet, length, INJECT_FLAG_ALLOWED);
}

function receiveAgain(packet: usize, length: u32, known: u32): void {
  // Before they are overwritten: the two headers are in the same place.
  const flags = flagsOf(packet);
  const interfaceId = interfaceIdOf(packet);
  const vrf = vrfOf(packet);
  const ingress = ingressOf(packet);
  const forwardingClass = forwardingClassOf(packet);
  const nexthop = flags & TRAP_FLAG_LABEL ? nexthopIdOf(packet) : 0;
  // There is room for it: there was for the other.
  const meta = writeMeta(packet, INJECT_RECEIVED, interfaceId);
  store<u8>(meta + INJECT_META_FLAGS, known | (flags & TRAP_FLAG_MIRRORED ? INJECT_FLAG_MIRRORED : 0));
  store<u32>(meta + INJECT_META_VRF, vrf);
  store<u32>(meta + INJECT_META_INGRESS, ingress);
  store<u32>(meta + INJECT_META_NEXTHOP, nexthop);
  store<u8>(meta + INJECT_META_FORWARDING_CLASS, forwardingClass);
  send(packet, length, meta, interfaceId, DROP_TRAP_FULL);
}

/** Sends a packet as a mirror's copy of what an interface received. */
export function injectMirror(packet: usize, length: u32, interfaceId: u32, mirror: u32): void {
  const meta = writeMeta(packet, INJECT_MIRROR, interfaceId);
  if (meta != 0) store<u8>(meta + INJECT_META_MIRROR, mirror);
  send(packet, length, meta, interfaceId, DROP_MIRROR);
}

/** Sends a packet of ours out of an interface as it is. */
export function injectTransmit(packet: usize, length: u32, interfaceId: u32, vrf: u32): bool {
  return inject(packet, length, INJECT_TRANSMIT, interfaceId, vrf);
}

/** Where the answer to a trapped packet goes. */
let backInterface: u32 = 0;
let backVrf: u32 = 0;
let backIngress: u32 = 0;
let backFlags: u32 = 0;

/** Notes where a trapped packet came from: to be called before its frame becomes the answer. */
export function noteOrigin(packet: usize): void {
  backInterface = interfaceIdOf(packet);
  backVrf = vrfOf(packet);
  backIngress = ingressOf(packet);
  backFlags = flagsOf(packet);
}

/**
 * Sends the answer to the packet whose origin was noted last: out of the interface that it came from, as it is; or,
 * where that was a tunnel, by the routes of its VRF, or the bridge entries if it was bridged.
 */
export function injectBack(answer: usize, length: u32): bool {
  if ((backIngress & INGRESS_TUNNEL) == 0) return injectTransmit(answer, length, backInterface, backVrf);
  const flags: u32 = (backFlags & TRAP_FLAG_BRIDGED) != 0 ? INJECT_FLAG_BRIDGED : 0;
  const meta = writeMeta(answer, INJECT_ROUTE, backInterface);
  if (meta != 0) {
    store<u8>(meta + INJECT_META_FLAGS, flags);
    store<u32>(meta + INJECT_META_VRF, backVrf);
  }
  return send(answer, length, meta, backInterface, DROP_TRAP_FULL);
}

function raise(counter: usize): void {
  store<u64>(counter, load<u64>(counter) + 1);
}
