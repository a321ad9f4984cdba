// SPDX-License-Identifier: Apache-2.0
/** Carries out what the main thread asks for. */

import { verdict } from "./ask";
import { get, set } from "./control";
import { limited, untaken } from "./dispatch";
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
  COMMAND_LENT,
  COMMAND_RECLAIM,
  COMMAND_RELEASE,
  COMMAND_VERDICT,
  COMMAND_VRF,
  DROP_TRAP_FULL,
  LENT_DECLINED,
  LENT_LIMITED,
  WORKER_CONTROL_COMMANDS,
  WORKER_CONTROL_LENT_COUNT,
  WORKER_CONTROL_OWN_VERDICTS,
} from "./layout";
import { commandDone, commandsWaiting, firstCommand } from "./message";

/** Carries out up to `budget` commands of the main thread, and as many of the worker's own handler. Returns how many. */
export function runCommands(budget: u32): u32 {
  return runRing(get(WORKER_CONTROL_COMMANDS), budget) + runRing(get(WORKER_CONTROL_OWN_VERDICTS), budget);
}

function runRing(ring: usize, budget: u32): u32 {
  const n = min(commandsWaiting(ring), budget);
  for (let i: u32 = 0; i < n; i++) {
    const command = firstCommand(ring);
    const kind = load<u32>(command + COMMAND_KIND);
    if (kind == COMMAND_VERDICT) {
      // No room for its decision: it stays the first, and is tried again after this burst.
      if (!verdict(command)) return i;
    } else if (kind == COMMAND_RELEASE) {
      takeBack(load<u32>(command + COMMAND_FRAME), load<u32>(command + COMMAND_LENGTH), load<u8>(command + COMMAND_LENT));
    } else if (kind == COMMAND_INJECT) {
      injectCopy(command);
    } else if (kind == COMMAND_RECLAIM) {
      reclaim(load<u32>(command + COMMAND_FRAME) + 1);
    }
    commandDone(ring);
  }
  return n;
}

/** A packet that was lent comes back. */
function takeBack(packet: usize, length: u32, lent: u32): void {
  set(WORKER_CONTROL_LENT_COUNT, get(WORKER_CONTROL_LENT_COUNT) - piecesOf(packet));
  if (lent == LENT_DECLINED) untaken(packet, length);
  else if (lent == LENT_LIMITED) limited(packet, length);
  else freePacket(packet);
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
