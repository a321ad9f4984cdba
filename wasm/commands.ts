// SPDX-License-Identifier: Apache-2.0
/** Carries out what the main thread asks for. */

import { verdict } from "./ask";
import { get, set } from "./control";
import { countDrop } from "./drops";
import { freePacket, headLength, nextPiece, pieceLength, piecesOf, reclaim, takeChain } from "./frames";
import { inject } from "./inject";
import {
  COMMAND_FRAME,
  COMMAND_INJECT,
  COMMAND_INJECT_ACTION,
  COMMAND_INTERFACE,
  COMMAND_KIND,
  COMMAND_LENGTH,
  COMMAND_RECLAIM,
  COMMAND_RELEASE,
  COMMAND_VERDICT,
  COMMAND_VRF,
  DROP_TRAP_FULL,
  WORKER_CONTROL_LENT_COUNT,
} from "./layout";
import { commandDone, commandsWaiting, firstCommand } from "./message";

/** Carries out up to `budget` commands. Returns how many. */
export function runCommands(budget: u32): u32 {
  const n = min(commandsWaiting(), budget);
  for (let i: u32 = 0; i < n; i++) {
    const command = firstCommand();
    const kind = load<u32>(command + COMMAND_KIND);
    if (kind == COMMAND_VERDICT) {
      // No room for its decision: it stays the first, and is tried again after this burst.
      if (!verdict(command)) return i;
    } else if (kind == COMMAND_RELEASE) {
      const packet: usize = load<u32>(command + COMMAND_FRAME);
      set(WORKER_CONTROL_LENT_COUNT, get(WORKER_CONTROL_LENT_COUNT) - piecesOf(packet));
      freePacket(packet);
    } else if (kind == COMMAND_INJECT) {
      injectCopy(command);
    } else if (kind == COMMAND_RECLAIM) {
      reclaim(load<u32>(command + COMMAND_FRAME) + 1);
    }
    commandDone();
  }
  return n;
}

function injectCopy(command: usize): void {
  const length = load<u32>(command + COMMAND_LENGTH);
  const interfaceId: u32 = load<u16>(command + COMMAND_INTERFACE);
  const packet = takeChain(length);
  if (packet == 0) {
    countDrop(interfaceId, DROP_TRAP_FULL, length);
    return;
  }
  let from: usize = load<u32>(command + COMMAND_FRAME);
  for (let at = packet; at != 0; at = nextPiece(at)) {
    const piece = at == packet ? headLength(packet, length) : pieceLength(at);
    memory.copy(at, from, piece);
    from += piece;
  }
  inject(packet, length, load<u8>(command + COMMAND_INJECT_ACTION), interfaceId, load<u32>(command + COMMAND_VRF));
}
