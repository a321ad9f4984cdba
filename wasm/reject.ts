// SPDX-License-Identifier: Apache-2.0
/** Answers a rejected packet: a TCP reset, or an ICMP error "administratively prohibited". */

import { prohibited } from "./icmp";
import { PROTOCOL_TCP, protocol } from "./parse";
import { resetConnection } from "./tcp_reset";
import { parseTrapped } from "./trap";

/**
 * How long the kernel drops a rejected flow's packets silently, in seconds: short, so that a client that tries
 * again is answered again, and long enough that a flood of them is not.
 */
export const REJECT_IDLE_SECONDS: u32 = 1;

/** Turns the packet into its answer and sends it, or frees it where none may be sent. */
export function rejectPacket(packet: usize, length: u32): void {
  parseTrapped(packet, length);
  if (protocol == PROTOCOL_TCP) resetConnection(packet, length);
  else prohibited(packet, length);
}
