// SPDX-License-Identifier: Apache-2.0
/**
 * Decision records for weir_flow_update, and the packets that wait until the kernel has taken them. Several
 * packets of one new flow can arrive in a burst: the first makes the record, the others find it by generation.
 */

import { count, get, set } from "./control";
import { reportDrop } from "./drops";
import { datagramBegun, releaseFragments } from "./fragments";
import { freePacket } from "./frames";
import { injectAllowed, injectReceived } from "./inject";
import {
  BURST_SLOT_DECISION,
  BURST_SLOT_GENERATION,
  BURST_SLOT_ROUND,
  BURST_SLOT_SIZE,
  COMMAND_CHOSEN,
  COMMAND_IDLE_SECONDS,
  COMMAND_LABEL,
  COMMAND_NEW_DESTINATION,
  COMMAND_NEW_DESTINATION_PORT,
  COMMAND_NEW_SOURCE,
  COMMAND_NEW_SOURCE_PORT,
  COMMAND_NEXTHOP,
  COMMAND_REVERSE_MIRROR,
  COMMAND_REVERSE_NEXTHOP,
  COMMAND_REVERSE_VRF,
  COMMAND_SINGLE,
  COMMAND_TRANSLATE,
  DECISION_EXISTS,
  DECISION_FULL,
  DECISION_NOTE_HITS,
  DECISION_NOTE_SIZE,
  DECISION_OK,
  DECISION_PENDING,
  DECISION_SET,
  DECISION_STALE,
  DROP_FLOW_TABLE_FULL,
  DROP_HOLD_TIMEOUT,
  DROP_NAT_EXHAUSTED,
  FLOW_DECISION_ACTION,
  FLOW_DECISION_DESTINATION,
  FLOW_DECISION_DESTINATION_PORT,
  FLOW_DECISION_DROP_REASON,
  FLOW_DECISION_FAMILY,
  FLOW_DECISION_FLAGS,
  FLOW_DECISION_GENERATION,
  FLOW_DECISION_IDLE_SECONDS,
  FLOW_DECISION_INGRESS,
  FLOW_DECISION_LABEL,
  FLOW_DECISION_MIRROR,
  FLOW_DECISION_NEW_DESTINATION,
  FLOW_DECISION_NEW_DESTINATION_PORT,
  FLOW_DECISION_NEW_SOURCE,
  FLOW_DECISION_NEW_SOURCE_PORT,
  FLOW_DECISION_NEXTHOP,
  FLOW_DECISION_OPERATION,
  FLOW_DECISION_PROTOCOL,
  FLOW_DECISION_RESULT,
  FLOW_DECISION_REVERSE_INGRESS,
  FLOW_DECISION_REVERSE_MIRROR,
  FLOW_DECISION_REVERSE_NEXTHOP,
  FLOW_DECISION_REVERSE_VRF,
  FLOW_DECISION_REVISION,
  FLOW_DECISION_RULE,
  FLOW_DECISION_SIZE,
  FLOW_DECISION_SOURCE,
  FLOW_DECISION_SOURCE_PORT,
  FLOW_DECISION_VRF,
  FLOW_DECISION_WORKER,
  FLOW_DROP,
  FLOW_FLAG_BRIDGED,
  FLOW_FLAG_CHOSEN,
  FLOW_FLAG_CHOSEN_BACK,
  FLOW_FLAG_REROUTE,
  FLOW_FLAG_SINGLE,
  FLOW_FORWARD,
  FLOW_NAT,
  HOST_SERVICE_BACKEND,
  HOST_SERVICE_BACKEND_PORT,
  PENDING_PACKET_DECISION,
  PENDING_PACKET_FRAME,
  PENDING_PACKET_LENGTH,
  PENDING_PACKET_SIZE,
  TRAP_FLAG_BRIDGED,
  WEIR_BURST_SLOTS,
  WEIR_DECISIONS_PER_WORKER,
  WORKER_CONTROL_BURST_SLOTS,
  WORKER_CONTROL_DECIDED,
  WORKER_CONTROL_DECISIONS,
  WORKER_CONTROL_DECISION_COUNT,
  WORKER_CONTROL_DECISION_NOTES,
  WORKER_CONTROL_PENDING,
  WORKER_CONTROL_PENDING_CAPACITY,
  WORKER_CONTROL_PENDING_COUNT,
  WORKER_CONTROL_STALE,
  WORKER_CONTROL_WORKER,
} from "./layout";
import {
  destination0,
  destination1,
  destinationPort,
  family,
  protocol,
  source0,
  source1,
  sourcePort,
} from "./parse";
import { hit } from "./policy/judge";
import { policyRevision } from "./policy/table";
import { newSource0, newSource1 } from "./service";
import { mayGoWithout } from "./stateless";
import {
  begunVrfOf,
  flagsOf,
  generationOf,
  ingressOf,
  isAnswer,
  isRerouted,
  nexthopIdOf,
  outInterfaceIdOf,
  reverseNexthopIdOf,
} from "./trap";

/** Counts up with each burst, so that the slots of the last one need no clearing. 0 is never used. */
let round: u32 = 1;

/** No decision. */
export const UNDECIDED: u32 = ~0;

/** Packets that can still become decisions or wait for them in this burst. */
export function decisionsLeft(): u32 {
  const records = WEIR_DECISIONS_PER_WORKER - get(WORKER_CONTROL_DECISION_COUNT);
  const packets = get(WORKER_CONTROL_PENDING_CAPACITY) - get(WORKER_CONTROL_PENDING_COUNT);
  return min(records, packets);
}

/** The slot of a generation, or the empty one where it belongs. */
function slotOf(generation: u32): usize {
  let index = (generation * 0x9e37_79b1) >> 21;
  let slot = slotAt(index);
  while (load<u32>(slot + BURST_SLOT_ROUND) == round && load<u32>(slot + BURST_SLOT_GENERATION) != generation) {
    slot = slotAt(++index);
  }
  return slot;
}

// @ts-ignore: decorator
@inline
function slotAt(index: u32): usize {
  return get(WORKER_CONTROL_BURST_SLOTS) + (index & (WEIR_BURST_SLOTS - 1)) * BURST_SLOT_SIZE;
}

/** The decision that this burst holds for a generation, or UNDECIDED. */
export function decisionFor(generation: u32): u32 {
  const slot = slotOf(generation);
  return load<u32>(slot + BURST_SLOT_ROUND) == round ? load<u32>(slot + BURST_SLOT_DECISION) : UNDECIDED;
}

/** Address of a decision record. */
// @ts-ignore: decorator
@inline
function recordOf(decision: u32): usize {
  return get(WORKER_CONTROL_DECISIONS) + decision * FLOW_DECISION_SIZE;
}

/** True if the decision lets the flow's packets through. */
export function forwards(decision: u32): bool {
  const action: u32 = load<u8>(recordOf(decision) + FLOW_DECISION_ACTION);
  return action == FLOW_FORWARD || action == FLOW_NAT;
}

/** True if it lets them through as something else. */
function translates(decision: u32): bool {
  return load<u8>(recordOf(decision) + FLOW_DECISION_ACTION) == FLOW_NAT;
}

/** The reason of a decision that does not. */
export function dropReasonOf(decision: u32): u32 {
  return load<u8>(recordOf(decision) + FLOW_DECISION_DROP_REASON);
}

/** The mirror that a decision's packets are copied for; 0: none. */
export function mirrorOf(decision: u32): u32 {
  return load<u8>(recordOf(decision) + FLOW_DECISION_MIRROR);
}

/** The rule that made it; 0: none. */
export function ruleOf(decision: u32): u32 {
  return load<u32>(recordOf(decision) + FLOW_DECISION_RULE);
}

/** Writes the record for the trapped packet whose flow was parsed last (`parseBegun`). There must be room (`decisionsLeft`). */
export function decide(
  packet: usize,
  action: u32,
  dropReason: u32,
  rule: u32,
  mirror: u32,
  idleSeconds: u32,
  hits0: usize,
  hits1: usize,
): u32 {
  const decision = get(WORKER_CONTROL_DECISION_COUNT);
  set(WORKER_CONTROL_DECISION_COUNT, decision + 1);
  count(WORKER_CONTROL_DECIDED);

  let flags: u32 = 0;
  if ((flagsOf(packet) & TRAP_FLAG_BRIDGED) != 0) flags |= FLOW_FLAG_BRIDGED;
  const answer = isAnswer(packet);
  const nexthop = answer ? reverseNexthopIdOf(packet) : nexthopIdOf(packet);
  const back = answer ? nexthopIdOf(packet) : reverseNexthopIdOf(packet);
  // Without a way back there is nothing to install for the replies: they find no route either.
  if (action == FLOW_DROP || back == 0) flags |= FLOW_FLAG_SINGLE;
  // The labels that go with the new next hops are known where they are found.
  if (isRerouted(packet)) flags |= FLOW_FLAG_REROUTE;

  const generation = generationOf(packet);
  const record = recordOf(decision);
  memory.fill(record, 0, FLOW_DECISION_SIZE);
  store<u8>(record + FLOW_DECISION_OPERATION, DECISION_SET);
  store<u8>(record + FLOW_DECISION_RESULT, DECISION_PENDING);
  store<u8>(record + FLOW_DECISION_FAMILY, family);
  store<u8>(record + FLOW_DECISION_ACTION, action);
  store<u8>(record + FLOW_DECISION_FLAGS, flags);
  store<u8>(record + FLOW_DECISION_WORKER, get(WORKER_CONTROL_WORKER));
  store<u8>(record + FLOW_DECISION_DROP_REASON, dropReason);
  store<u8>(record + FLOW_DECISION_MIRROR, mirror);
  store<u32>(record + FLOW_DECISION_GENERATION, generation);
  store<u32>(record + FLOW_DECISION_VRF, begunVrfOf(packet));
  store<u64>(record + FLOW_DECISION_SOURCE, source0);
  store<u64>(record + FLOW_DECISION_SOURCE + 8, source1);
  store<u64>(record + FLOW_DECISION_DESTINATION, destination0);
  store<u64>(record + FLOW_DECISION_DESTINATION + 8, destination1);
  store<u16>(record + FLOW_DECISION_SOURCE_PORT, bswap<u16>(<u16>sourcePort));
  store<u16>(record + FLOW_DECISION_DESTINATION_PORT, bswap<u16>(<u16>destinationPort));
  store<u8>(record + FLOW_DECISION_PROTOCOL, protocol);
  store<u32>(record + FLOW_DECISION_INGRESS, answer ? outInterfaceIdOf(packet) : ingressOf(packet));
  store<u32>(record + FLOW_DECISION_REVERSE_INGRESS, answer ? ingressOf(packet) : outInterfaceIdOf(packet));
  store<u32>(record + FLOW_DECISION_NEXTHOP, nexthop);
  store<u32>(record + FLOW_DECISION_REVERSE_NEXTHOP, back);
  store<u32>(record + FLOW_DECISION_RULE, rule);
  store<u32>(record + FLOW_DECISION_IDLE_SECONDS, idleSeconds);
  store<u32>(record + FLOW_DECISION_REVISION, policyRevision());

  const note = get(WORKER_CONTROL_DECISION_NOTES) + decision * DECISION_NOTE_SIZE;
  store<u32>(note + DECISION_NOTE_HITS, hits0);
  store<u32>(note + DECISION_NOTE_HITS + 4, hits1);

  const slot = slotOf(generation);
  store<u32>(slot + BURST_SLOT_GENERATION, generation);
  store<u32>(slot + BURST_SLOT_ROUND, round);
  store<u32>(slot + BURST_SLOT_DECISION, decision);
  return decision;
}

/** Puts into a decision that lets packets through what the controller's verdict (a COMMAND_VERDICT) says of them. */
export function adoptVerdict(decision: u32, command: usize): void {
  const record = recordOf(decision);
  const nexthop = load<u32>(command + COMMAND_NEXTHOP);
  if (nexthop != 0) {
    store<u32>(record + FLOW_DECISION_NEXTHOP, nexthop);
    store<u32>(record + FLOW_DECISION_LABEL, load<u32>(command + COMMAND_LABEL));
    store<u32>(record + FLOW_DECISION_REVERSE_VRF, load<u32>(command + COMMAND_REVERSE_VRF));
    // Answers come from where it leads, and not from where the route would have led.
    store<u32>(record + FLOW_DECISION_REVERSE_INGRESS, 0);
  }
  let flags: u32 = load<u8>(record + FLOW_DECISION_FLAGS);
  const back = load<u32>(command + COMMAND_REVERSE_NEXTHOP);
  if (back != 0) {
    store<u32>(record + FLOW_DECISION_REVERSE_NEXTHOP, back);
    flags &= ~FLOW_FLAG_SINGLE;
  }
  if (nexthop != 0 || back != 0) flags &= ~FLOW_FLAG_REROUTE;
  if (load<u8>(command + COMMAND_CHOSEN) != 0) flags |= FLOW_FLAG_CHOSEN;
  if (back != 0) flags |= FLOW_FLAG_CHOSEN_BACK;
  if (load<u8>(command + COMMAND_SINGLE) != 0) flags |= FLOW_FLAG_SINGLE;
  store<u8>(record + FLOW_DECISION_FLAGS, flags);
  store<u8>(record + FLOW_DECISION_REVERSE_MIRROR, load<u8>(command + COMMAND_REVERSE_MIRROR));
  store<u32>(record + FLOW_DECISION_IDLE_SECONDS, load<u32>(command + COMMAND_IDLE_SECONDS));
  if (load<u8>(command + COMMAND_TRANSLATE) == 0) return;
  store<u8>(record + FLOW_DECISION_ACTION, FLOW_NAT);
  memory.copy(record + FLOW_DECISION_NEW_SOURCE, command + COMMAND_NEW_SOURCE, 16);
  memory.copy(record + FLOW_DECISION_NEW_DESTINATION, command + COMMAND_NEW_DESTINATION, 16);
  store<u16>(record + FLOW_DECISION_NEW_SOURCE_PORT, load<u16>(command + COMMAND_NEW_SOURCE_PORT));
  store<u16>(record + FLOW_DECISION_NEW_DESTINATION_PORT, load<u16>(command + COMMAND_NEW_DESTINATION_PORT));
}

/** Has a decision that lets the packets of the flow that was parsed last through translate them to a service. */
export function translateTo(decision: u32, service: usize): void {
  const record = recordOf(decision);
  store<u8>(record + FLOW_DECISION_ACTION, FLOW_NAT);
  store<u64>(record + FLOW_DECISION_NEW_SOURCE, newSource0);
  store<u64>(record + FLOW_DECISION_NEW_SOURCE + 8, newSource1);
  memory.copy(record + FLOW_DECISION_NEW_DESTINATION, service + HOST_SERVICE_BACKEND, 16);
  store<u16>(record + FLOW_DECISION_NEW_SOURCE_PORT, bswap<u16>(<u16>sourcePort));
  store<u16>(record + FLOW_DECISION_NEW_DESTINATION_PORT, bswap<u16>(load<u16>(service + HOST_SERVICE_BACKEND_PORT)));
}

/** Lets a packet wait until its decision is in the kernel. There must be room (`decisionsLeft`). */
export function awaitDecision(packet: usize, length: u32, decision: u32): void {
  const n = get(WORKER_CONTROL_PENDING_COUNT);
  const pending = get(WORKER_CONTROL_PENDING) + n * PENDING_PACKET_SIZE;
  store<u32>(pending + PENDING_PACKET_FRAME, packet);
  store<u32>(pending + PENDING_PACKET_LENGTH, length);
  store<u32>(pending + PENDING_PACKET_DECISION, decision);
  set(WORKER_CONTROL_PENDING_COUNT, n + 1);
}

/**
 * Called when weir_flow_update has run: counts the rules' hits and sends the waiting packets through the
 * pipeline again, in the order of their arrival. A decision that came too late does the same: what is there
 * now decides, and the kernel's own limit of packets a held flow may trap ends a loop.
 */
export function finishDecisions(): void {
  const decisions = get(WORKER_CONTROL_DECISION_COUNT);
  for (let i: u32 = 0; i < decisions; i++) {
    const result: u32 = load<u8>(recordOf(i) + FLOW_DECISION_RESULT);
    if (result == DECISION_STALE) count(WORKER_CONTROL_STALE);
    if (result != DECISION_OK) continue;
    const note = get(WORKER_CONTROL_DECISION_NOTES) + i * DECISION_NOTE_SIZE;
    hit(load<u32>(note + DECISION_NOTE_HITS));
    hit(load<u32>(note + DECISION_NOTE_HITS + 4));
  }

  const packets = get(WORKER_CONTROL_PENDING_COUNT);
  for (let i: u32 = 0; i < packets; i++) {
    const pending = get(WORKER_CONTROL_PENDING) + i * PENDING_PACKET_SIZE;
    const packet: usize = load<u32>(pending + PENDING_PACKET_FRAME);
    const length = load<u32>(pending + PENDING_PACKET_LENGTH);
    const decision = load<u32>(pending + PENDING_PACKET_DECISION);
    const result: u32 = load<u8>(recordOf(decision) + FLOW_DECISION_RESULT);
    if (result == DECISION_EXISTS && translates(decision)) {
      // Another flow has become what it would become.
      reportDrop(packet, length, DROP_NAT_EXHAUSTED, ruleOf(decision), 0);
      freePacket(packet);
    } else if (result == DECISION_FULL && !translates(decision) && mayGoWithout(packet)) {
      injectAllowed(packet, length);
    } else if (result == DECISION_FULL || result == DECISION_PENDING) {
      reportDrop(packet, length, result == DECISION_FULL ? DROP_FLOW_TABLE_FULL : DROP_HOLD_TIMEOUT, 0, 0);
      freePacket(packet);
    } else {
      const datagram = datagramBegun(packet, length);
      injectReceived(packet, length);
      releaseFragments(datagram);
    }
  }
  set(WORKER_CONTROL_DECISION_COUNT, 0);
  set(WORKER_CONTROL_PENDING_COUNT, 0);
  round++;
  if (round == 0) round = 1;
}
