// SPDX-License-Identifier: Apache-2.0
/**
 * Fragments that came before the first one of their datagram, where policy needs its ports (trap fragment). The kernel
 * program has noted that they wait, and sends the first one here too when it comes: by the same trap if its flow is
 * decided, else as the flow's first packet. They follow it then, in the order in which they came.
 */

import { count, get, now } from "./control";
import { drop } from "./drops";
import { endHold, findHeld, hold, holdBehind, takeHeld } from "./hold";
import { injectReceived } from "./inject";
import {
  DROP_FRAGMENT,
  DROP_INVALID_PACKET,
  HELD_PACKET_FRAME,
  HELD_PACKET_KEY,
  HELD_PACKET_LENGTH,
  TRAP_FLAG_PORTS,
  TRAP_FRAGMENT,
  WORKER_CONTROL_FRAGMENTS_EXPIRED,
  WORKER_CONTROL_FRAGMENTS_HELD,
  WORKER_CONTROL_HOLD_LIMIT,
} from "./layout";
import * as parsed from "./parse";
import { flagsOf, parseTrapped, vrfOf } from "./trap";

const MILLISECOND: u64 = 1_000_000;
const TIMEOUT: u64 = 2000 * MILLISECOND;
/** Ends of waits fall together, so that a look at all that waits ends many. */
const GRID: u64 = 64 * MILLISECOND;
/** Of the packets that may wait for anything, those that may be fragments: a flood of them leaves the others room. */
const SHARE: u32 = 4;

/** Fragments that wait. */
let waiting: u32 = 0;
/** Goes into the keys, so that nobody can choose datagrams with equal ones. */
let seed: u64 = 0;

/** Lets a later fragment wait, or those go on that wait for this one. */
export function fragmentTrapped(packet: usize, length: u32): void {
  if (!parseTrapped(packet, length) || !parsed.fragment) {
    drop(packet, length, DROP_INVALID_PACKET);
    return;
  }
  const key = keyOf(packet);
  if ((flagsOf(packet) & TRAP_FLAG_PORTS) != 0) {
    injectReceived(packet, length);
    release(key);
  } else if (wait(packet, length, key)) {
    waiting++;
    count(WORKER_CONTROL_FRAGMENTS_HELD);
  } else {
    drop(packet, length, DROP_FRAGMENT);
  }
}

function wait(packet: usize, length: u32, key: u32): bool {
  if (waiting >= get(WORKER_CONTROL_HOLD_LIMIT) / SHARE) return false;
  const first = findHeld(TRAP_FRAGMENT, key);
  if (first != 0) return holdBehind(first, packet, length);
  const end = ((now + TIMEOUT) / GRID + 1) * GRID;
  return hold(packet, length, TRAP_FRAGMENT, key, end, end) != 0;
}

/**
 * The datagram whose first fragment `packet` is, while fragments wait; 0: it is none. To be asked before the packet is
 * sent, for `releaseFragments` behind it.
 */
export function datagramBegun(packet: usize, length: u32): u32 {
  if (waiting == 0 || !parseTrapped(packet, length) || !parsed.fragment || parsed.l4 == 0) return 0;
  return keyOf(packet);
}

/** Lets the fragments of a datagram go on, whose first one has just been sent through the pipeline. */
export function releaseFragments(datagram: u32): void {
  if (datagram != 0) release(datagram);
}

/** The first fragment has not come here. The pipeline may know the ports all the same; else it counts the drop. */
export function fragmentsDue(first: usize): void {
  const before = waiting;
  release(load<u32>(first + HELD_PACKET_KEY));
  for (let i = waiting; i < before; i++) count(WORKER_CONTROL_FRAGMENTS_EXPIRED);
}

function release(key: u32): void {
  const first = findHeld(TRAP_FRAGMENT, key);
  if (first == 0) return;
  endHold(first);
  for (let slot = first; slot != 0; ) {
    const packet: usize = load<u32>(slot + HELD_PACKET_FRAME);
    const length = load<u32>(slot + HELD_PACKET_LENGTH);
    slot = takeHeld(slot);
    waiting--;
    injectReceived(packet, length);
  }
}

/**
 * A key for the datagram of the fragment that was parsed last (RFC 791: addresses, protocol, identification; RFC 8200
 * section 4.5: without the protocol), never 0.
 */
function keyOf(packet: usize): u32 {
  if (waiting == 0) seed = now;
  let hash = mix(seed, (<u64>vrfOf(packet) << 32) | parsed.identification);
  hash = mix(mix(hash, parsed.source0), parsed.source1);
  hash = mix(mix(hash, parsed.destination0), parsed.destination1);
  if (parsed.family == 4) hash = mix(hash, parsed.protocol);
  return <u32>(hash >> 32) | 1;
}

/** A round of MurmurHash3's 64-bit finalizer. */
// @ts-ignore: decorator
@inline
function mix(hash: u64, word: u64): u64 {
  hash = (hash ^ word) * 0xff51_afd7_ed55_8ccd;
  return hash ^ (hash >> 33);
}
