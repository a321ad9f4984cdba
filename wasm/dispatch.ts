// SPDX-License-Identifier: Apache-2.0
/** What happens to a trapped packet, by its reason. */

import { count, get, nexthopOf, set } from "./control";
import { divide } from "./divide";
import { drop } from "./drops";
import { fragmentTrapped } from "./fragments";
import { copyPacket, freePacket, piecesOf } from "./frames";
import { packetTooBig, timeExceeded, unreachable } from "./icmp";
import { injectReceived } from "./inject";
import {
  DROP_NO_NEIGHBOUR,
  DROP_TRAP_FULL,
  DROP_TRAP_LIMIT,
  DROP_UNHANDLED_TRAP,
  NEXTHOP_RESOLVE,
  NEXTHOP_TYPE,
  TRAP_ARP,
  TRAP_FLAG_COPY,
  TRAP_FLAG_DIVIDE,
  TRAP_FLOW_MISS,
  TRAP_FRAGMENT,
  TRAP_IP_LEARN,
  TRAP_MAC_LEARN,
  TRAP_META_SIZE,
  TRAP_NEIGHBOUR_DISCOVERY,
  TRAP_NO_ROUTE,
  TRAP_PACKET_TOO_BIG,
  TRAP_RESOLVE,
  TRAP_SOURCE_MISMATCH,
  TRAP_TTL_EXPIRED,
  TRAP_USER,
  WORKER_CONTROL_EVENTS_LOST,
  WORKER_CONTROL_LENT_COUNT,
  WORKER_CONTROL_LENT_LIMIT,
  WORKER_CONTROL_TRAP_HANDLERS,
} from "./layout";
import { eventPacket } from "./message";
import { flowMiss } from "./miss";
import { hearNeighbour } from "./neighbour";
import { resolve } from "./resolve";
import { flagsOf, nexthopIdOf, reasonOf } from "./trap";

/** Handles one trapped packet; its frames are held, sent or free afterwards. */
export function dispatch(packet: usize, length: u32): void {
  const reason = reasonOf(packet);
  if (reason == TRAP_FLOW_MISS) return flowMiss(packet, length);
  if (reason == TRAP_RESOLVE && !isControllers(packet)) return resolve(packet, length);
  if (reason == TRAP_FRAGMENT) return fragmentTrapped(packet, length);
  if (reason == TRAP_PACKET_TOO_BIG && (flagsOf(packet) & TRAP_FLAG_DIVIDE) != 0) return divide(packet, length);
  if (isCopy(packet)) return tellAndPass(packet, length);
  const statement = isNeighbour(reason) && hearNeighbour(packet, length);
  if (!isHandled(reason)) without(packet, length, reason, statement);
  else if (!lend(packet, length)) {
    if (isCounted(reason)) freePacket(packet);
    else drop(packet, length, DROP_TRAP_FULL);
  }
}

/** What becomes of a packet that was lent, and that no handler took. */
export function untaken(packet: usize, length: u32): void {
  const reason = reasonOf(packet);
  if (isCopy(packet)) freePacket(packet);
  else without(packet, length, reason, isNeighbour(reason) && hearNeighbour(packet, length));
}

/** What becomes of a packet that was lent, and that exceeds the rate of all handlers that would have taken it. */
export function limited(packet: usize, length: u32): void {
  const reason = reasonOf(packet);
  if (isCopy(packet) || isCounted(reason)) freePacket(packet);
  else drop(packet, length, DROP_TRAP_LIMIT);
}

// @ts-ignore: decorator
@inline
function isNeighbour(reason: u32): bool {
  return reason == TRAP_ARP || reason == TRAP_NEIGHBOUR_DISCOVERY;
}

/** Whether handlers get a copy, and the packet itself goes on. */
function isCopy(packet: usize): bool {
  const reason = reasonOf(packet);
  if (reason == TRAP_USER) return (flagsOf(packet) & TRAP_FLAG_COPY) != 0;
  return reason == TRAP_MAC_LEARN || reason == TRAP_IP_LEARN;
}

/** What becomes of a packet without a handler. */
function without(packet: usize, length: u32, reason: u32, statement: bool): void {
  // The kernel has counted these as drops already; what is left is to say so.
  if (reason == TRAP_TTL_EXPIRED) timeExceeded(packet, length);
  else if (reason == TRAP_NO_ROUTE) unreachable(packet, length);
  else if (reason == TRAP_PACKET_TOO_BIG) packetTooBig(packet, length);
  else if (statement || isCounted(reason)) freePacket(packet);
  else if (reason == TRAP_RESOLVE) drop(packet, length, DROP_NO_NEIGHBOUR);
  else drop(packet, length, DROP_UNHANDLED_TRAP);
}

/** Whether the kernel has counted the packet as a drop already, whatever becomes of it here. */
function isCounted(reason: u32): bool {
  return (
    reason == TRAP_TTL_EXPIRED ||
    reason == TRAP_NO_ROUTE ||
    reason == TRAP_PACKET_TOO_BIG ||
    reason == TRAP_SOURCE_MISMATCH
  );
}

/** Whether the next hop is of type resolve: it leads to no interface whose neighbours could be asked. */
function isControllers(packet: usize): bool {
  const at = nexthopOf(nexthopIdOf(packet));
  return at != 0 && load<u8>(at + NEXTHOP_TYPE) == NEXTHOP_RESOLVE;
}

/** Whether the controller takes packets trapped for `reason`. */
function isHandled(reason: u32): bool {
  return reason < 32 && (get(WORKER_CONTROL_TRAP_HANDLERS) & (1 << reason)) != 0;
}

/** A packet that goes on whatever the controller makes of it, who gets a copy. */
function tellAndPass(packet: usize, length: u32): void {
  if (isHandled(reasonOf(packet))) {
    const copy = copyPacket(packet, length, <u32>TRAP_META_SIZE);
    // The packet is not lost, so no drop: only the news of it is.
    if (copy == 0) count(WORKER_CONTROL_EVENTS_LOST);
    else if (!lend(copy, length)) freePacket(copy);
  }
  injectReceived(packet, length);
}

/** Lends the packet to the controller; it comes back by COMMAND_RELEASE. False if there is no room. */
function lend(packet: usize, length: u32): bool {
  const lent = get(WORKER_CONTROL_LENT_COUNT) + piecesOf(packet);
  if (lent > get(WORKER_CONTROL_LENT_LIMIT)) {
    count(WORKER_CONTROL_EVENTS_LOST);
    return false;
  }
  if (!eventPacket(packet, length)) return false;
  set(WORKER_CONTROL_LENT_COUNT, lent);
  return true;
}
