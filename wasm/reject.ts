// SPDX-License-Identifier: Apache-2.0
/** Answers a rejected packet: a TCP reset, or an ICMP error "administratively prohibited". */

import { freePacket } from "./frames";
import { prohibited } from "./icmp";
import { INGRESS_COPY } from "./layout";
import { PROTOCOL_TCP, protocol } from "./parse";
import { resetConnection } from "./tcp_reset";
import { ingressOf, parseTrapped } from "./trap";

/**
 * How long the kernel drops a rejected flow's packets silently, in seconds: short, so that a client that tries
 * again is answered again, and long enough that a flood of them is not.
 */
export const REJECT_IDLE_SECONDS: u32 = 1;

/** Turns the packet into its answer and sends it, or frees it where none may be sent. */
export function rejectPacket(packet: usize, length: u32): void {
  // A mirror's copy is nobody's packet.
  if ((ingressOf(packet) & INGRESS_COPY) != 0) {
    freePacket(packet);
    return;
  }
  parseTrapped(packet, length);
  if (protocol == PROTOCOL_TCP) resetConnection(packet, length);
  else prohibited(packet, length);
}
