// SPDX-License-Identifier: Apache-2.0
/** What happens to a trapped packet, by its reason. */

import { get, set } from "./control";
import { drop } from "./drops";
import { freePacket, piecesOf } from "./frames";
import { packetTooBig, timeExceeded, unreachable } from "./icmp";
import {
  DROP_BROADCAST,
  DROP_TRAP_FULL,
  DROP_UNHANDLED_TRAP,
  TRAP_ARP,
  TRAP_FLOW_MISS,
  TRAP_IGMP,
  TRAP_NEIGHBOUR_DISCOVERY,
  TRAP_NO_ROUTE,
  TRAP_PACKET_TOO_BIG,
  TRAP_RESOLVE,
  TRAP_TTL_EXPIRED,
  WORKER_CONTROL_LENT_COUNT,
  WORKER_CONTROL_LENT_LIMIT,
  WORKER_CONTROL_TRAP_HANDLERS,
} from "./layout";
import { eventPacket } from "./message";
import { flowMiss } from "./miss";
import { hearNeighbour } from "./neighbour";
import { resolve } from "./resolve";
import { reasonOf } from "./trap";

/** Handles one trapped packet; its frames are held, sent or free afterwards. */
export function dispatch(packet: usize, length: u32): void {
  const reason = reasonOf(packet);
  if (reason == TRAP_FLOW_MISS) return flowMiss(packet, length);
  if (reason == TRAP_RESOLVE) return resolve(packet, length);
  const neighbour = reason == TRAP_ARP || reason == TRAP_NEIGHBOUR_DISCOVERY;
  const statement = neighbour && hearNeighbour(packet, length);
  if (reason < 32 && (get(WORKER_CONTROL_TRAP_HANDLERS) & (1 << reason)) != 0) lend(packet, length);
  // The kernel has counted these as drops already; what is left is to say so.
  else if (reason == TRAP_TTL_EXPIRED) timeExceeded(packet, length);
  else if (reason == TRAP_NO_ROUTE) unreachable(packet, length);
  else if (reason == TRAP_PACKET_TOO_BIG) packetTooBig(packet, length);
  else if (statement) freePacket(packet);
  // Hosts tell their groups to whoever may route multicast; here that is the controller or nobody.
  else if (reason == TRAP_IGMP) drop(packet, length, DROP_BROADCAST);
  else drop(packet, length, DROP_UNHANDLED_TRAP);
}

/** Lends the packet to the controller; it comes back by COMMAND_RELEASE. */
function lend(packet: usize, length: u32): void {
  const lent = get(WORKER_CONTROL_LENT_COUNT) + piecesOf(packet);
  if (lent > get(WORKER_CONTROL_LENT_LIMIT) || !eventPacket(packet, length)) {
    drop(packet, length, DROP_TRAP_FULL);
    return;
  }
  set(WORKER_CONTROL_LENT_COUNT, lent);
}
