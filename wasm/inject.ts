// SPDX-License-Identifier: Apache-2.0
/** Sends packets to the node's end of the trap link, behind a struct inject_meta that says what to do with them. */

import { count, get } from "./control";
import { countDrop } from "./drops";
import { freePacket, roomInFront } from "./frames";
import {
  DROP_TRAP_FULL,
  INJECT_META_ACTION,
  INJECT_META_FORWARDING_CLASS,
  INJECT_META_INGRESS,
  INJECT_META_INTERFACE,
  INJECT_META_MAGIC,
  INJECT_META_NEXTHOP,
  INJECT_META_SIZE,
  INJECT_META_VRF,
  INJECT_RECEIVED,
  INJECT_TRANSMIT,
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
  return injectFrom(packet, length, action, interfaceId, vrf, 0, 0, 0);
}

function injectFrom(
  packet: usize,
  length: u32,
  action: u32,
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
  const ingress = ingressOf(packet);
  const forwardingClass = forwardingClassOf(packet);
  injectFrom(packet, length, INJECT_RECEIVED, interfaceIdOf(packet), vrfOf(packet), ingress, nexthop, forwardingClass);
}

/** Sends a packet of ours out of an interface as it is. */
export function injectTransmit(packet: usize, length: u32, interfaceId: u32, vrf: u32): bool {
  return inject(packet, length, INJECT_TRANSMIT, interfaceId, vrf);
}

function raise(counter: usize): void {
  store<u64>(counter, load<u64>(counter) + 1);
}
