// SPDX-License-Identifier: Apache-2.0
/**
 * The slow path of one worker. The host calls, in a loop: `poll` (a burst of packets and commands), then, if
 * `decision_count` is not 0, weir_flow_update and `applied`, then `kicks`, and sleeps when there was nothing and
 * `sleep` says that it may.
 * No call allocates memory; all state lies in the WebAssembly memory at the addresses of struct worker_control.
 */

import { askTimedOut } from "./ask";
import { runCommands } from "./commands";
import { bindControl, control, count, get, readClock } from "./control";
import { decisionsLeft, finishDecisions } from "./decision";
import { dispatch } from "./dispatch";
import { drop } from "./drops";
import { fragmentsDue } from "./fragments";
import { bindFrames, freePacket } from "./frames";
import { bindHolds, firstDue, isDue, lookedAt, nextDue, resetDeadline } from "./hold";
import {
  DROP_TRAP_TOO_BIG,
  HELD_PACKET_REASON,
  PORT_NONE,
  RULE_NONE,
  TRAP_ASK,
  TRAP_FRAGMENT,
  WEIR_CHAIN_FRAMES,
  WORKER_CONTROL_PACKETS,
  WORKER_CONTROL_POLLS,
  WORKER_CONTROL_PORTS,
  WORKER_CONTROL_PORT_ACK,
  WORKER_CONTROL_PORT_COUNT,
  WORKER_CONTROL_PORT_REVISION,
  XSK_PORT_KIND,
  XSK_PORT_OUTSTANDING,
  XSK_PORT_RX,
  XSK_PORT_RX_INVALID,
  XSK_PORT_RX_PACKETS,
  XSK_PORT_SIZE,
} from "./layout";
import { awake, bindMisses, takeMisses } from "./miss_ring";
import { direction, judgeBetween, mirror, rule } from "./policy/judge";
import { loadPolicy } from "./policy/table";
import { resolveDue } from "./resolve";
import { available, descriptorsOf, joinReceived, packetOf, reap, received, refill, release, submit } from "./ring";
import { isTrap, parseTrapped } from "./trap";

export { sleep } from "./miss_ring";
export { collectFlows, judgeFlows, leadFlows, lookAgainAtFlows } from "./review";

/** Takes over the memory whose control block is at `address`. To be called once, before anything else. */
export function start(address: u32): void {
  bindControl(address);
  bindFrames();
  bindHolds();
  bindMisses();
  loadPolicy();
  for (let i: u32 = 0; i < get(WORKER_CONTROL_PORT_COUNT); i++) {
    const port = portAt(i);
    if (isOpen(port)) refill(port, i);
  }
}

/**
 * Handles at most `budget` packets and `budget` commands, and what is due by time. Returns how much was done:
 * 0 means that the host may sleep until `next_deadline`.
 */
export function poll(budget: u32): u32 {
  awake();
  count(WORKER_CONTROL_POLLS);
  readClock();
  loadPolicy();
  // Before the ports are looked at: what was taken away by this revision is not used from here on.
  atomic.store<u32>(control + WORKER_CONTROL_PORT_ACK, atomic.load<u32>(control + WORKER_CONTROL_PORT_REVISION));
  let done = runCommands(budget);
  if (isDue()) done += runTimers();
  const ports = get(WORKER_CONTROL_PORT_COUNT);
  const misses = takeMisses(min(budget, decisionsLeft()));
  let left = budget - misses;
  done += misses;
  for (let i: u32 = 0; i < ports; i++) {
    const port = portAt(i);
    if (!isOpen(port)) continue;
    reap(port);
    const n = receive(port, min(left, decisionsLeft()));
    refill(port, i);
    left -= n;
    done += n;
  }
  return done;
}

/**
 * What policy says of the trapped packet at `packet` between two policy sets, for a trace, in a memory that no worker
 * uses: `rule`, `direction` << 32, and the action (RULE_*, RULE_NONE for what cannot be parsed, or has no policy yet)
 * << 40.
 */
export function examine(packet: u32, length: u32, from: u32, to: u32): u64 {
  loadPolicy();
  const action: u32 = parseTrapped(packet, length) ? judgeBetween(0, 0, from, to) : RULE_NONE;
  return (<u64>mirror << 48) | (<u64>action << 40) | (<u64>direction << 32) | <u64>rule;
}

/** To be called when weir_flow_update has written the results into the decision records. */
export function applied(): void {
  finishDecisions();
}

/**
 * Publishes what was queued to be sent. Returns a bit for each of the first 32 ports that the kernel must be
 * told to send on, by `sendto`.
 */
export function kicks(): u32 {
  let bits: u32 = 0;
  const ports = min(get(WORKER_CONTROL_PORT_COUNT), 32);
  for (let i: u32 = 0; i < ports; i++) {
    const port = portAt(i);
    if (isOpen(port) && load<u32>(port + XSK_PORT_OUTSTANDING) != 0 && submit(port)) bits |= 1 << i;
  }
  return bits;
}

// @ts-ignore: decorator
@inline
function portAt(i: u32): usize {
  return get(WORKER_CONTROL_PORTS) + i * XSK_PORT_SIZE;
}

/** The main thread writes the kind last, and takes it away first. */
// @ts-ignore: decorator
@inline
function isOpen(port: usize): bool {
  return load<u32>(port + XSK_PORT_KIND) != PORT_NONE;
}

/** Handles up to `budget` packets, those of a port. Returns how many. */
function receive(port: usize, budget: u32): u32 {
  const ring = port + XSK_PORT_RX;
  const n = available(ring);
  if (n == 0) return 0;
  // What a flow's first packet came by may have got it before its others came here: it goes first.
  const misses = takeMisses(budget);
  let packets: u32 = 0;
  let taken: u32 = 0;
  while (taken < n && misses + packets < budget) {
    const descriptors = descriptorsOf(ring, taken, n);
    // The kernel publishes whole packets; of half a one the frames stay the port's.
    if (descriptors == 0) break;
    const packet = packetOf(received(ring, taken));
    handle(port, packet, joinReceived(ring, taken, descriptors), descriptors);
    taken += descriptors;
    packets++;
  }
  if (taken != 0) {
    release(ring, taken);
    store<u64>(port + XSK_PORT_RX_PACKETS, load<u64>(port + XSK_PORT_RX_PACKETS) + packets);
  }
  return misses + packets;
}

function handle(port: usize, packet: usize, length: u32, frames: u32): void {
  if (!isTrap(packet)) {
    store<u64>(port + XSK_PORT_RX_INVALID, load<u64>(port + XSK_PORT_RX_INVALID) + 1);
    freePacket(packet);
  } else if (frames > WEIR_CHAIN_FRAMES) {
    drop(packet, length, DROP_TRAP_TOO_BIG);
  } else {
    count(WORKER_CONTROL_PACKETS);
    dispatch(packet, length);
  }
}

function runTimers(): u32 {
  let done: u32 = 0;
  resetDeadline();
  for (let held = firstDue(); held != 0; held = nextDue()) {
    const reason = load<u32>(held + HELD_PACKET_REASON);
    if (reason == TRAP_ASK) askTimedOut(held);
    else if (reason == TRAP_FRAGMENT) fragmentsDue(held);
    else resolveDue(held);
    done++;
  }
  lookedAt();
  return done;
}
