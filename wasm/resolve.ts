// SPDX-License-Identifier: Apache-2.0
/**
 * Packets for a next hop whose link-layer address is not known (trap resolve): the neighbour is asked out of
 * its interface, and the packets wait. The kernel program learns the address from the answer and clears
 * NEXTHOP_FLAG_RESOLVE in the table that is mapped here; then the packets go through the pipeline again.
 */

import { get, nexthopOf, now } from "./control";
import { drop } from "./drops";
import { endHold, findHeld, hold, holdBehind, lookAgain, takeHeld } from "./hold";
import { injectReceived } from "./inject";
import {
  DROP_HOLD_LIMIT,
  DROP_NO_NEIGHBOUR,
  HELD_PACKET_ATTEMPTS,
  HELD_PACKET_EXPIRES,
  HELD_PACKET_FRAME,
  HELD_PACKET_KEY,
  HELD_PACKET_LENGTH,
  NEXTHOP_FLAGS,
  NEXTHOP_FLAG_RESOLVE,
  TRAP_RESOLVE,
  WORKER_CONTROL_RESOLVE_TIMEOUT_MS,
} from "./layout";
import { solicit } from "./solicit";
import { nexthopIdOf } from "./trap";

const MILLISECOND: u64 = 1_000_000;
/** First look at the next hop; each later one after twice the time, up to the limit. */
const FIRST_LOOK: u64 = MILLISECOND;
const MAX_LOOK: u64 = 50 * MILLISECOND;
/** Looks between two requests: 1 + 2 + 4 + ... + 32 + 50 ms are past at the seventh, 300 ms at the twelfth. */
const LOOKS_PER_REQUEST: u32 = 6;

/** Asks for the neighbour, once for all that wait for it, and lets the packet wait. */
export function resolve(packet: usize, length: u32): void {
  const nexthop = nexthopIdOf(packet);
  if (isResolved(nexthop)) {
    // The answer was faster than this packet.
    injectReceived(packet, length);
    return;
  }
  const first = findHeld(TRAP_RESOLVE, nexthop);
  if (first != 0) {
    if (!holdBehind(first, packet, length)) drop(packet, length, DROP_HOLD_LIMIT);
    return;
  }
  const expires = now + <u64>get(WORKER_CONTROL_RESOLVE_TIMEOUT_MS) * MILLISECOND;
  if (hold(packet, length, TRAP_RESOLVE, nexthop, now + FIRST_LOOK, expires) == 0) {
    drop(packet, length, DROP_HOLD_LIMIT);
    return;
  }
  solicit(packet, length);
}

/** Looks whether the neighbour has answered; asks again, or gives up. */
export function resolveDue(first: usize): void {
  const nexthop = load<u32>(first + HELD_PACKET_KEY);
  const resolved = isResolved(nexthop);
  if (!resolved && now < load<u64>(first + HELD_PACKET_EXPIRES)) {
    const attempts = load<u32>(first + HELD_PACKET_ATTEMPTS) + 1;
    store<u32>(first + HELD_PACKET_ATTEMPTS, attempts);
    if (attempts % LOOKS_PER_REQUEST == 0) {
      solicit(load<u32>(first + HELD_PACKET_FRAME), load<u32>(first + HELD_PACKET_LENGTH));
    }
    const pause = attempts < 6 ? FIRST_LOOK << attempts : MAX_LOOK;
    lookAgain(first, min(now + pause, load<u64>(first + HELD_PACKET_EXPIRES)));
    return;
  }
  endResolve(first, resolved);
}

/** To be called when the neighbour behind a next hop was heard: its packets need not wait for their time. */
export function neighbourHeard(nexthop: u32): void {
  const first = findHeld(TRAP_RESOLVE, nexthop);
  if (first != 0 && isResolved(nexthop)) endResolve(first, true);
}

/** Lets the packets go on, or drops them. */
function endResolve(first: usize, resolved: bool): void {
  endHold(first);
  for (let slot = first; slot != 0; ) {
    const packet: usize = load<u32>(slot + HELD_PACKET_FRAME);
    const length = load<u32>(slot + HELD_PACKET_LENGTH);
    slot = takeHeld(slot);
    if (resolved) injectReceived(packet, length);
    else drop(packet, length, DROP_NO_NEIGHBOUR);
  }
}

function isResolved(nexthop: u32): bool {
  const at = nexthopOf(nexthop);
  return at != 0 && (load<u32>(at + NEXTHOP_FLAGS) & NEXTHOP_FLAG_RESOLVE) == 0;
}
