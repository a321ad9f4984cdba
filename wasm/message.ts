// SPDX-License-Identifier: Apache-2.0
/** The rings of records between the worker and the main thread (struct message_ring): events out, commands in. */

import { count, get, now } from "./control";
import { headLength } from "./frames";
import {
  ASKING_WORKER,
  COMMAND_SIZE,
  EVENT_ASK,
  EVENT_DESTINATION,
  EVENT_DESTINATION_PORT,
  EVENT_DIRECTION,
  EVENT_DROP,
  EVENT_DROP_REASON,
  EVENT_FAMILY,
  EVENT_FLAGS,
  EVENT_FRAME,
  EVENT_GENERATION,
  EVENT_HEAD,
  EVENT_HEAD_LENGTH,
  EVENT_ICMP_CODE,
  EVENT_ICMP_TYPE,
  EVENT_INTERFACE,
  EVENT_KIND,
  EVENT_LENGTH,
  EVENT_LOG,
  EVENT_MISS,
  EVENT_NEXTHOP,
  EVENT_OUT_INTERFACE,
  EVENT_PACKET,
  EVENT_PROTOCOL,
  EVENT_REVERSE_NEXTHOP,
  EVENT_RULE,
  EVENT_SIZE,
  EVENT_SOURCE,
  EVENT_SOURCE_PORT,
  EVENT_TICKET,
  EVENT_TIME,
  EVENT_TRAP_REASON,
  EVENT_VRF,
  MESSAGE_RING_CAPACITY,
  MESSAGE_RING_CONSUMER,
  MESSAGE_RING_LOST,
  MESSAGE_RING_PRODUCER,
  MESSAGE_RING_SIZE,
  WEIR_SAMPLE_BYTES,
  WORKER_CONTROL_ASKING,
  WORKER_CONTROL_DROP_SAMPLES,
  WORKER_CONTROL_EVENTS,
  WORKER_CONTROL_EVENTS_LOST,
  WORKER_CONTROL_OWN_ASKS,
  WORKER_CONTROL_SAMPLES_LIMITED,
  WORKER_CONTROL_TELL_MISSES,
} from "./layout";
import * as parsed from "./parse";
import {
  begunVrfOf,
  flagsOf,
  generationOf,
  interfaceIdOf,
  isAnswer,
  nexthopIdOf,
  outInterfaceIdOf,
  parseBegun,
  parseTrapped,
  reasonOf,
  reverseNexthopIdOf,
  vrfOf,
} from "./trap";

/** Start of the second in which drops are sampled, and how many were in it. */
let sampleSecond: u64 = 0;
let samples: u32 = 0;

/** Room for the next event in a ring; 0 if there is none, which is counted. */
function nextEvent(ring: usize): usize {
  const producer = load<u32>(ring + MESSAGE_RING_PRODUCER);
  const capacity = load<u32>(ring + MESSAGE_RING_CAPACITY);
  if (producer - atomic.load<u32>(ring + MESSAGE_RING_CONSUMER) >= capacity) {
    store<u32>(ring + MESSAGE_RING_LOST, load<u32>(ring + MESSAGE_RING_LOST) + 1);
    count(WORKER_CONTROL_EVENTS_LOST);
    return 0;
  }
  return ring + MESSAGE_RING_SIZE + (producer & (capacity - 1)) * EVENT_SIZE;
}

function publishEvent(ring: usize): void {
  atomic.store<u32>(ring + MESSAGE_RING_PRODUCER, load<u32>(ring + MESSAGE_RING_PRODUCER) + 1);
}

/** Writes what all events have in common. What is about a flow says it of the direction that began it. */
function describe(event: usize, kind: u32, packet: usize, length: u32): void {
  memory.fill(event, 0, EVENT_HEAD);
  store<u32>(event + EVENT_KIND, kind);
  store<u32>(event + EVENT_LENGTH, length);
  store<u64>(event + EVENT_TIME, now);
  store<u8>(event + EVENT_TRAP_REASON, reasonOf(packet));
  store<u8>(event + EVENT_FLAGS, flagsOf(packet));
  const turned = (kind == EVENT_ASK || kind == EVENT_LOG) && isAnswer(packet);
  store<u16>(event + EVENT_INTERFACE, turned ? outInterfaceIdOf(packet) : interfaceIdOf(packet));
  store<u16>(event + EVENT_OUT_INTERFACE, turned ? interfaceIdOf(packet) : outInterfaceIdOf(packet));
  store<u32>(event + EVENT_VRF, turned ? begunVrfOf(packet) : vrfOf(packet));
  store<u32>(event + EVENT_NEXTHOP, turned ? reverseNexthopIdOf(packet) : nexthopIdOf(packet));
  store<u32>(event + EVENT_REVERSE_NEXTHOP, turned ? nexthopIdOf(packet) : reverseNexthopIdOf(packet));
  store<u32>(event + EVENT_GENERATION, generationOf(packet));
  if (!(turned ? parseBegun(packet, length) : parseTrapped(packet, length))) return;
  store<u8>(event + EVENT_FAMILY, parsed.family);
  store<u8>(event + EVENT_PROTOCOL, parsed.protocol);
  store<u16>(event + EVENT_SOURCE_PORT, bswap<u16>(<u16>parsed.sourcePort));
  store<u16>(event + EVENT_DESTINATION_PORT, bswap<u16>(<u16>parsed.destinationPort));
  if (parsed.icmp != ~0) {
    store<u8>(event + EVENT_ICMP_TYPE, parsed.icmp >> 8);
    store<u8>(event + EVENT_ICMP_CODE, parsed.icmp);
  }
  store<u64>(event + EVENT_SOURCE, parsed.source0);
  store<u64>(event + EVENT_SOURCE + 8, parsed.source1);
  store<u64>(event + EVENT_DESTINATION, parsed.destination0);
  store<u64>(event + EVENT_DESTINATION + 8, parsed.destination1);
}

/** The ring of the main thread. */
// @ts-ignore: decorator
@inline
function events(): usize {
  return get(WORKER_CONTROL_EVENTS);
}

/** Asks the controller about a flow, in its own thread or in this one; false if the ring is full. */
export function eventAsk(packet: usize, length: u32, ticket: u32, rule: u32, direction: u32): bool {
  const own = get(WORKER_CONTROL_ASKING) == ASKING_WORKER;
  const ring: usize = own ? get(WORKER_CONTROL_OWN_ASKS) : events();
  const event = nextEvent(ring);
  if (event == 0) return false;
  describe(event, EVENT_ASK, packet, length);
  store<u32>(event + EVENT_FRAME, packet);
  store<u32>(event + EVENT_TICKET, ticket);
  store<u32>(event + EVENT_RULE, rule);
  store<u8>(event + EVENT_DIRECTION, direction);
  publishEvent(ring);
  if (own && get(WORKER_CONTROL_TELL_MISSES) != 0) tellMiss(event);
  return true;
}

/** Tells the main thread of a flow that this thread is asked about. */
function tellMiss(asked: usize): void {
  const event = nextEvent(events());
  if (event == 0) return;
  memory.copy(event, asked, EVENT_HEAD);
  store<u32>(event + EVENT_KIND, EVENT_MISS);
  publishEvent(events());
}

/** Lends a packet to the controller; false if the ring is full. */
export function eventPacket(packet: usize, length: u32): bool {
  const event = nextEvent(events());
  if (event == 0) return false;
  describe(event, EVENT_PACKET, packet, length);
  store<u32>(event + EVENT_FRAME, packet);
  publishEvent(events());
  return true;
}

/** Reports a flow that a rule with log matched. */
export function eventLog(packet: usize, length: u32, rule: u32, direction: u32): void {
  const event = nextEvent(events());
  if (event == 0) return;
  describe(event, EVENT_LOG, packet, length);
  store<u32>(event + EVENT_RULE, rule);
  store<u8>(event + EVENT_DIRECTION, direction);
  publishEvent(events());
}

/** Reports a drop with the packet's head, within the allowed samples a second: a flood must not keep the main thread busy. */
export function eventDrop(packet: usize, length: u32, reason: u32, rule: u32, direction: u32): void {
  const limit = get(WORKER_CONTROL_DROP_SAMPLES);
  if (limit == 0) return;
  if (now - sampleSecond >= 1_000_000_000) {
    sampleSecond = now;
    samples = 0;
  }
  if (samples >= limit) {
    count(WORKER_CONTROL_SAMPLES_LIMITED);
    return;
  }
  const event = nextEvent(events());
  if (event == 0) return;
  samples++;
  describe(event, EVENT_DROP, packet, length);
  store<u32>(event + EVENT_RULE, rule);
  store<u8>(event + EVENT_DROP_REASON, reason);
  store<u8>(event + EVENT_DIRECTION, direction);
  const head = min(headLength(packet, length), WEIR_SAMPLE_BYTES);
  store<u32>(event + EVENT_HEAD_LENGTH, head);
  memory.copy(event + EVENT_HEAD, packet, head);
  publishEvent(events());
}

/** Commands that were written into a ring. */
export function commandsWaiting(ring: usize): u32 {
  return atomic.load<u32>(ring + MESSAGE_RING_PRODUCER) - load<u32>(ring + MESSAGE_RING_CONSUMER);
}

/** The oldest of them. */
export function firstCommand(ring: usize): usize {
  const index = load<u32>(ring + MESSAGE_RING_CONSUMER) & (load<u32>(ring + MESSAGE_RING_CAPACITY) - 1);
  return ring + MESSAGE_RING_SIZE + index * COMMAND_SIZE;
}

/** Gives its record back. */
export function commandDone(ring: usize): void {
  atomic.store<u32>(ring + MESSAGE_RING_CONSUMER, load<u32>(ring + MESSAGE_RING_CONSUMER) + 1);
}
