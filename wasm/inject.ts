// SPDX-License-Identifier: Apache-2.0
/** Sends packets to the node's end of the trap link, behind a struct inject_meta that says what to do with them. */

import { count, get } from "./control";
import { countDrop } from "./drops";
import { freePacket, roomInFront } from "./frames";
import {
  DROP_TRAP_FULL,
  INGRESS_TUNNEL,
  INJECT_FLAG_BRIDGED,
  INJECT_META_ACTION,
  INJECT_META_FLAGS,
  INJECT_META_FORWARDING_CLASS,
  INJECT_META_INGRESS,
  INJECT_META_INTERFACE,
  INJECT_META_MAGIC,
  INJECT_META_NEXTHOP,
  INJECT_META_SIZE,
  INJECT_META_VRF,
  INJECT_RECEIVED,
  INJECT_ROUTE,
  INJECT_TRANSMIT,
  TRAP_FLAG_BRIDGED,
  TRAP_FLAG_LABEL,
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
  return injectWith(packet, length, action, 0, interfaceId, vrf, 0, 0, 0);
}

function injectWith(
  packet: usize,
  length: u32,
  action: u32,
  flags: u32,
  interfaceId: u32,
  vrf: u32,
  ingress: u32,
  nexthop: u32,
  forwardingClass: u32,
): bool {
  const port: usize = get(WORKER_CONTROL_PORTS);
  const meta = packet - INJECT_META_SIZE;
  if (roomInFront(packet) >= INJECT_META_SIZE) {
    memory.fill(meta, 0, INJECT_META_SIZE);
    store<u32>(meta + INJECT_META_MAGIC, WEIR_TRAP_MAGIC);
    store<u8>(meta + INJECT_META_ACTION, action);
    store<u8>(meta + INJECT_META_FLAGS, flags);
    store<u16>(meta + INJECT_META_INTERFACE, interfaceId);
    store<u32>(meta + INJECT_META_VRF, vrf);
    store<u32>(meta + INJECT_META_INGRESS, ingress);
    store<u32>(meta + INJECT_META_NEXTHOP, nexthop);
    store<u8>(meta + INJECT_META_FORWARDING_CLASS, forwardingClass);
    if (transmit(port, meta, <u32>INJECT_META_SIZE, length)) {
      raise(port + XSK_PORT_TX_PACKETS);
      count(WORKER_CONTROL_INJECTED);
      return true;
    }
  }
  raise(port + XSK_PORT_TX_FULL);
  countDrop(interfaceId, DROP_TRAP_FULL, length);
  freePacket(packet);
  return false;
}

/** Sends a trapped packet through the whole pipeline, as if it had just been received. */
export function injectReceived(packet: usize, length: u32): void {
  const nexthop = flagsOf(packet) & TRAP_FLAG_LABEL ? nexthopIdOf(packet) : 0;
  injectWith(
    packet,
    length,
    INJECT_RECEIVED,
    0,
    interfaceIdOf(packet),
    vrfOf(packet),
    ingressOf(packet),
    nexthop,
    forwardingClassOf(packet),
  );
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
  return injectWith(answer, length, INJECT_ROUTE, flags, backInterface, backVrf, 0, 0, 0);
}

function raise(counter: usize): void {
  store<u64>(counter, load<u64>(counter) + 1);
}
