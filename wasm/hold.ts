// SPDX-License-Identifier: Apache-2.0
/**
 * Packets that wait: for the controller's verdict on their flow, for their neighbour's address, or for the first
 * fragment of their datagram. The first packet of each flow (or neighbour, or datagram) leads: it stands in the list of waiting flows and in a hash bucket; the others hang on it
 * (struct held_packet). Links are slot number + 1.
 */

import { control, get, now, set } from "./control";
import { nextPiece } from "./frames";
import {
  HELD_PACKET_COUNT,
  HELD_PACKET_DEADLINE,
  HELD_PACKET_EXPIRES,
  HELD_PACKET_FRAME,
  HELD_PACKET_HASH_NEXT,
  HELD_PACKET_INTERFACE,
  HELD_PACKET_KEY,
  HELD_PACKET_LAST,
  HELD_PACKET_LENGTH,
  HELD_PACKET_LIST_NEXT,
  HELD_PACKET_LIST_PREVIOUS,
  HELD_PACKET_NEXT,
  HELD_PACKET_REASON,
  HELD_PACKET_SIZE,
  HELD_PACKET_TICKET,
  TRAP_FRAGMENT,
  WEIR_HOLD_PACKETS,
  WEIR_MAX_INTERFACES,
  WORKER_CONTROL_FRAME_RESERVE,
  WORKER_CONTROL_FREE_COUNT,
  WORKER_CONTROL_HOLDS,
  WORKER_CONTROL_HOLD_ACTIVE,
  WORKER_CONTROL_HOLD_BUCKETS,
  WORKER_CONTROL_HOLD_CAPACITY,
  WORKER_CONTROL_HOLD_COUNT,
  WORKER_CONTROL_HOLD_FREE,
  WORKER_CONTROL_HOLD_LIMIT,
  WORKER_CONTROL_NEXT_DEADLINE,
} from "./layout";
import { interfaceIdOf } from "./trap";

/** u16 for each interface: how many of its packets wait. */
const waiting: usize = memory.data(WEIR_MAX_INTERFACES * 2, 8);

/**
 * An interface may have so many times as many packets waiting as there is room left: alone four fifths of the limit, two
 * of them four ninths each. Whoever has few or none waiting finds room.
 */
const SHARE: u32 = 4;

// @ts-ignore: decorator
@inline
function waitingOf(interfaceId: u32): usize {
  return waiting + ((interfaceId & (WEIR_MAX_INTERFACES - 1)) << 1);
}

/** Whether one more packet of an interface may wait. */
function mayWait(interfaceId: u32): bool {
  const count = get(WORKER_CONTROL_HOLD_COUNT);
  const limit = get(WORKER_CONTROL_HOLD_LIMIT);
  return count < limit && load<u16>(waitingOf(interfaceId)) < SHARE * (limit - count);
}

/** Address of the slot that a link names. */
// @ts-ignore: decorator
@inline
function slotAt(link: u32): usize {
  return get(WORKER_CONTROL_HOLDS) + (link - 1) * HELD_PACKET_SIZE;
}

// @ts-ignore: decorator
@inline
function linkOf(slot: usize): u32 {
  return <u32>((slot - get(WORKER_CONTROL_HOLDS)) / HELD_PACKET_SIZE) + 1;
}

/** Makes all slots free. */
export function bindHolds(): void {
  const capacity = get(WORKER_CONTROL_HOLD_CAPACITY);
  memory.fill(get(WORKER_CONTROL_HOLDS), 0, capacity * HELD_PACKET_SIZE);
  memory.fill(get(WORKER_CONTROL_HOLD_BUCKETS), 0, capacity << 2);
  memory.fill(waiting, 0, WEIR_MAX_INTERFACES << 1);
  for (let link: u32 = 1; link < capacity; link++) store<u32>(slotAt(link) + HELD_PACKET_NEXT, link + 1);
  set(WORKER_CONTROL_HOLD_FREE, 1);
  set(WORKER_CONTROL_HOLD_ACTIVE, 0);
  set(WORKER_CONTROL_HOLD_COUNT, 0);
  store<u64>(control + WORKER_CONTROL_NEXT_DEADLINE, ~0);
}

function bucketOf(reason: u32, key: u32): usize {
  const hash = ((key + reason) * 0x9e37_79b1) >> 8;
  return get(WORKER_CONTROL_HOLD_BUCKETS) + ((hash & (get(WORKER_CONTROL_HOLD_CAPACITY) - 1)) << 2);
}

/** The first packet that waits for `reason` and `key`; 0 if none does. */
export function findHeld(reason: u32, key: u32): usize {
  let link = load<u32>(bucketOf(reason, key));
  while (link != 0) {
    const slot = slotAt(link);
    if (load<u32>(slot + HELD_PACKET_KEY) == key && load<u32>(slot + HELD_PACKET_REASON) == reason) return slot;
    link = load<u32>(slot + HELD_PACKET_HASH_NEXT);
  }
  return 0;
}

/** The first packet of the asked flow that `ticket` names; 0 if it does not wait any more. */
export function heldByTicket(ticket: u32): usize {
  const slot = slotAt((ticket & (get(WORKER_CONTROL_HOLD_CAPACITY) - 1)) + 1);
  const valid = load<u32>(slot + HELD_PACKET_FRAME) != 0 && load<u32>(slot + HELD_PACKET_TICKET) == ticket;
  // A follower has no ticket, and 0 is never one.
  return valid && ticket != 0 ? slot : 0;
}

/** A free slot with the packet in it; 0 if the limit is reached, or its interface's share of it. */
function takeSlot(packet: usize, length: u32, reason: u32, key: u32): usize {
  const link = get(WORKER_CONTROL_HOLD_FREE);
  // The limit bounds the frames that wait by packets of one frame each: longer ones must leave the others theirs.
  const scarce = get(WORKER_CONTROL_FREE_COUNT) <= get(WORKER_CONTROL_FRAME_RESERVE);
  const interfaceId = interfaceIdOf(packet);
  if (link == 0 || (scarce && nextPiece(packet) != 0) || !mayWait(interfaceId)) return 0;
  const slot = slotAt(link);
  set(WORKER_CONTROL_HOLD_FREE, load<u32>(slot + HELD_PACKET_NEXT));
  set(WORKER_CONTROL_HOLD_COUNT, get(WORKER_CONTROL_HOLD_COUNT) + 1);
  store<u16>(waitingOf(interfaceId), load<u16>(waitingOf(interfaceId)) + 1);
  memory.fill(slot, 0, HELD_PACKET_SIZE);
  store<u32>(slot + HELD_PACKET_INTERFACE, interfaceId);
  store<u32>(slot + HELD_PACKET_FRAME, packet);
  store<u32>(slot + HELD_PACKET_LENGTH, length);
  store<u32>(slot + HELD_PACKET_REASON, reason);
  store<u32>(slot + HELD_PACKET_KEY, key);
  return slot;
}

/**
 * Lets the first packet of a flow wait.
 * @param deadline when it is to be looked at again
 * @param expires when it is given up
 * @return its slot; 0 if too many packets wait already
 */
export function hold(packet: usize, length: u32, reason: u32, key: u32, deadline: u64, expires: u64): usize {
  const slot = takeSlot(packet, length, reason, key);
  if (slot == 0) return 0;
  const link = linkOf(slot);
  store<u32>(slot + HELD_PACKET_COUNT, 1);
  store<u32>(slot + HELD_PACKET_LAST, link);
  store<u64>(slot + HELD_PACKET_EXPIRES, expires);

  const bucket = bucketOf(reason, key);
  store<u32>(slot + HELD_PACKET_HASH_NEXT, load<u32>(bucket));
  store<u32>(bucket, link);

  const first = get(WORKER_CONTROL_HOLD_ACTIVE);
  store<u32>(slot + HELD_PACKET_LIST_NEXT, first);
  if (first != 0) store<u32>(slotAt(first) + HELD_PACKET_LIST_PREVIOUS, link);
  set(WORKER_CONTROL_HOLD_ACTIVE, link);

  lookAgain(slot, deadline);
  return slot;
}

/** Packets of a flow, or fragments of a datagram, that may wait: 64 KiB in fragments of 1024 bytes. */
// @ts-ignore: decorator
@inline
function most(reason: u32): u32 {
  return reason == TRAP_FRAGMENT ? 64 : WEIR_HOLD_PACKETS;
}

/** Lets a further packet of a waiting flow wait behind the others; false if it may not. */
export function holdBehind(first: usize, packet: usize, length: u32): bool {
  const n = load<u32>(first + HELD_PACKET_COUNT);
  if (n >= most(load<u32>(first + HELD_PACKET_REASON))) return false;
  const slot = takeSlot(packet, length, load<u32>(first + HELD_PACKET_REASON), load<u32>(first + HELD_PACKET_KEY));
  if (slot == 0) return false;
  store<u32>(slotAt(load<u32>(first + HELD_PACKET_LAST)) + HELD_PACKET_NEXT, linkOf(slot));
  store<u32>(first + HELD_PACKET_LAST, linkOf(slot));
  store<u32>(first + HELD_PACKET_COUNT, n + 1);
  return true;
}

/** Sets when a waiting flow is to be looked at. */
export function lookAgain(first: usize, deadline: u64): void {
  store<u64>(first + HELD_PACKET_DEADLINE, deadline);
  if (deadline < load<u64>(control + WORKER_CONTROL_NEXT_DEADLINE)) {
    store<u64>(control + WORKER_CONTROL_NEXT_DEADLINE, deadline);
  }
}

/** Takes a flow out of the list and the hash; its packets stay to be taken by `takeHeld`. */
export function endHold(first: usize): void {
  const link = linkOf(first);
  const next = load<u32>(first + HELD_PACKET_LIST_NEXT);
  const previous = load<u32>(first + HELD_PACKET_LIST_PREVIOUS);
  if (next != 0) store<u32>(slotAt(next) + HELD_PACKET_LIST_PREVIOUS, previous);
  if (previous != 0) store<u32>(slotAt(previous) + HELD_PACKET_LIST_NEXT, next);
  else set(WORKER_CONTROL_HOLD_ACTIVE, next);

  let reference = bucketOf(load<u32>(first + HELD_PACKET_REASON), load<u32>(first + HELD_PACKET_KEY));
  while (load<u32>(reference) != link) reference = slotAt(load<u32>(reference)) + HELD_PACKET_HASH_NEXT;
  store<u32>(reference, load<u32>(first + HELD_PACKET_HASH_NEXT));
}

/** The packet in a slot and its length; the slot becomes free. Returns the slot of the flow's next packet, or 0. */
export function takeHeld(slot: usize): usize {
  const next = load<u32>(slot + HELD_PACKET_NEXT);
  store<u32>(slot + HELD_PACKET_FRAME, 0);
  store<u32>(slot + HELD_PACKET_NEXT, get(WORKER_CONTROL_HOLD_FREE));
  set(WORKER_CONTROL_HOLD_FREE, linkOf(slot));
  set(WORKER_CONTROL_HOLD_COUNT, get(WORKER_CONTROL_HOLD_COUNT) - 1);
  const share = waitingOf(load<u32>(slot + HELD_PACKET_INTERFACE));
  store<u16>(share, load<u16>(share) - 1);
  return next == 0 ? 0 : slotAt(next);
}

/** A ticket for the flow that `first` leads: the slot's number below, a running number above. */
export function issueTicket(first: usize): u32 {
  const capacity = get(WORKER_CONTROL_HOLD_CAPACITY);
  sequence += capacity;
  if (sequence == 0) sequence = capacity;
  const ticket = sequence | (linkOf(first) - 1);
  store<u32>(first + HELD_PACKET_TICKET, ticket);
  return ticket;
}

let sequence: u32 = 0;

/** Walks the waiting flows whose time has come: `firstDue` begins, `nextDue` goes on, `lookedAt` ends it. */
let nextLink: u32 = 0;
let earliest: u64 = ~0;

/** True if some waiting flow's time may have come. */
export function isDue(): bool {
  return now >= load<u64>(control + WORKER_CONTROL_NEXT_DEADLINE);
}

export function firstDue(): usize {
  nextLink = get(WORKER_CONTROL_HOLD_ACTIVE);
  earliest = ~0;
  return nextDue();
}

/** The flow handed out before may have been ended meanwhile, or have a new deadline. */
export function nextDue(): usize {
  while (nextLink != 0) {
    const slot = slotAt(nextLink);
    nextLink = load<u32>(slot + HELD_PACKET_LIST_NEXT);
    const deadline = load<u64>(slot + HELD_PACKET_DEADLINE);
    if (deadline <= now) return slot;
    earliest = min(earliest, deadline);
  }
  return 0;
}

/** Sets the next deadline from those that were only passed by; `lookAgain` has set the others after `resetDeadline`. */
export function resetDeadline(): void {
  store<u64>(control + WORKER_CONTROL_NEXT_DEADLINE, ~0);
}

export function lookedAt(): void {
  if (earliest < load<u64>(control + WORKER_CONTROL_NEXT_DEADLINE)) {
    store<u64>(control + WORKER_CONTROL_NEXT_DEADLINE, earliest);
  }
}
