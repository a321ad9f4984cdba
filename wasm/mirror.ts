// SPDX-License-Identifier: Apache-2.0
/**
 * Copies of packets that end in the slow path. What goes on is copied by the kernel programs when it passes them
 * again; what policy refuses does not come there.
 */

import { countDrop } from "./drops";
import { copyPacket, freePacket } from "./frames";
import { injectMirror } from "./inject";
import { DROP_MIRROR } from "./layout";
import { interfaceIdOf } from "./trap";

/** Ends a trapped packet: it becomes the copy, or is freed where there is no mirror (0). */
export function giveToMirror(packet: usize, length: u32, mirror: u32): void {
  if (mirror == 0) freePacket(packet);
  else injectMirror(packet, length, interfaceIdOf(packet), mirror);
}

/** Sends a copy of a trapped packet that is still needed. */
export function sendCopy(packet: usize, length: u32, mirror: u32): void {
  if (mirror == 0) return;
  const interfaceId = interfaceIdOf(packet);
  const copy = copyPacket(packet, length, 0);
  if (copy == 0) countDrop(interfaceId, DROP_MIRROR, length);
  else injectMirror(copy, length, interfaceId, mirror);
}
