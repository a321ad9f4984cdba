// SPDX-License-Identifier: Apache-2.0
/** Flows that policy leaves to the controller: reported with a ticket, and held until its verdict or the time-out. */

import { count, get, now } from "./control";
import { UNDECIDED, adoptVerdict, awaitDecision, decide, decisionsLeft } from "./decision";
import { reportDrop } from "./drops";
import { freePacket } from "./frames";
import { endHold, heldByTicket, hold, issueTicket, lookAgain, takeHeld } from "./hold";
import {
  COMMAND_IDLE_SECONDS,
  COMMAND_LOG,
  COMMAND_MIRROR,
  COMMAND_RULE_ACTION,
  COMMAND_TICKET,
  DROP_HOLD_LIMIT,
  DROP_HOLD_TIMEOUT,
  DROP_POLICY_DENY,
  DROP_TRAP_FULL,
  FLOW_DROP,
  FLOW_FORWARD,
  HELD_PACKET_COUNT,
  HELD_PACKET_FRAME,
  HELD_PACKET_LENGTH,
  HELD_PACKET_MIRROR,
  HELD_PACKET_REVISION,
  HELD_PACKET_RULE,
  RULE_ALLOW,
  RULE_ASK,
  RULE_DENY,
  RULE_NONE,
  RULE_REJECT,
  TRAP_ASK,
  WEIR_HOLD_PACKETS,
  WORKER_CONTROL_ALLOWED,
  WORKER_CONTROL_ASKED,
  WORKER_CONTROL_ASK_OTHERWISE,
  WORKER_CONTROL_ASK_TIMEOUT_MS,
  WORKER_CONTROL_DENIED,
  WORKER_CONTROL_REJECTED,
  WORKER_CONTROL_TIMEOUTS,
} from "./layout";
import { eventAsk, eventLog } from "./message";
import { giveToMirror, sendCopy } from "./mirror";
import { direction, egressHits, hit, ingressHits, judge, mirror, rule } from "./policy/judge";
import { policyRevision } from "./policy/table";
import { rejectPacket, REJECT_IDLE_SECONDS } from "./reject";
import { noteSettled } from "./settled";
import { generationOf, mayEndFlow, parseBegun } from "./trap";

/** A verdict can release as many packets as a flow may have waiting. */
const ROOM: u32 = WEIR_HOLD_PACKETS;

/** Holds the packet that `judge` has just left to the controller, and reports it. */
export function ask(packet: usize, length: u32): void {
  const deadline = now + <u64>get(WORKER_CONTROL_ASK_TIMEOUT_MS) * 1_000_000;
  const first = hold(packet, length, TRAP_ASK, generationOf(packet), deadline, deadline);
  if (first == 0) {
    reportDrop(packet, length, DROP_HOLD_LIMIT, rule, direction);
    freePacket(packet);
    return;
  }
  store<u32>(first + HELD_PACKET_RULE, rule);
  store<u32>(first + HELD_PACKET_REVISION, policyRevision());
  store<u32>(first + HELD_PACKET_MIRROR, mirror);
  const asked = rule;
  const towards = direction;
  if (!eventAsk(packet, length, issueTicket(first), asked, towards)) {
    endHold(first);
    takeHeld(first);
    reportDrop(packet, length, DROP_TRAP_FULL, asked, towards);
    freePacket(packet);
    return;
  }
  count(WORKER_CONTROL_ASKED);
  hit(egressHits);
  hit(ingressHits);
}

/** Carries out a COMMAND_VERDICT; false if there is no room in this burst. */
export function verdict(command: usize): bool {
  if (decisionsLeft() < ROOM) return false;
  const first = heldByTicket(load<u32>(command + COMMAND_TICKET));
  // Timed out meanwhile, or answered twice.
  if (first == 0) return true;
  const action: u32 = load<u8>(command + COMMAND_RULE_ACTION);
  if (action == RULE_NONE) settle(first, get(WORKER_CONTROL_ASK_OTHERWISE), DROP_HOLD_TIMEOUT, 0);
  else settle(first, action, DROP_POLICY_DENY, command);
  return true;
}

/** Decides a flow that got no verdict in time. */
export function askTimedOut(first: usize): void {
  if (decisionsLeft() < ROOM) {
    lookAgain(first, now);
    return;
  }
  count(WORKER_CONTROL_TIMEOUTS);
  settle(first, get(WORKER_CONTROL_ASK_OTHERWISE), DROP_HOLD_TIMEOUT, 0);
}

/** The mirror that a verdict names; `otherwise` if it names none. */
function mirrorOr(command: usize, otherwise: u32): u32 {
  const given: u32 = command == 0 ? 0 : load<u32>(command + COMMAND_MIRROR);
  return given != 0 ? given : otherwise;
}

/**
 * Decides the flow and lets its packets go on, or ends them.
 * @param command the controller's verdict; 0: there is none
 */
function settle(first: usize, action: u32, dropReason: u32, command: usize): void {
  endHold(first);
  const leader: usize = load<u32>(first + HELD_PACKET_FRAME);
  const length = load<u32>(first + HELD_PACKET_LENGTH);
  const packets = load<u32>(first + HELD_PACKET_COUNT);
  let decidedBy = load<u32>(first + HELD_PACKET_RULE);
  let copies = mirrorOr(command, load<u32>(first + HELD_PACKET_MIRROR));
  let known = true;
  // It was parsed when it came; only then was it asked for.
  parseBegun(leader, length);
  if (load<u32>(first + HELD_PACKET_REVISION) != policyRevision()) {
    // Policy has changed since. What it does not ask for any more it decides itself.
    const judged = judge(leader, length);
    if (judged != RULE_ASK) {
      known = judged != RULE_NONE;
      action = known ? judged : RULE_DENY;
      dropReason = known ? DROP_POLICY_DENY : DROP_HOLD_TIMEOUT;
      command = 0;
    }
    decidedBy = rule;
    copies = mirrorOr(command, mirror);
  }
  const allowed = action == RULE_ALLOW;
  const rejected = action == RULE_REJECT;
  count(allowed ? WORKER_CONTROL_ALLOWED : rejected ? WORKER_CONTROL_REJECTED : WORKER_CONTROL_DENIED);
  if (command != 0 && load<u8>(command + COMMAND_LOG) != 0) eventLog(leader, length, decidedBy, 0);
  let decision = UNDECIDED;
  if (allowed) {
    decision = decide(leader, FLOW_FORWARD, 0, decidedBy, copies, 0, 0, 0);
    if (command != 0) adoptVerdict(decision, command);
    noteSettled(generationOf(leader), packets);
  } else if (known && mayEndFlow(leader)) {
    noteSettled(generationOf(leader), packets);
    const given: u32 = command == 0 ? 0 : load<u32>(command + COMMAND_IDLE_SECONDS);
    decide(leader, FLOW_DROP, dropReason, decidedBy, copies, rejected ? REJECT_IDLE_SECONDS : given, 0, 0);
  }
  for (let slot = first; slot != 0; ) {
    const packet: usize = load<u32>(slot + HELD_PACKET_FRAME);
    const length = load<u32>(slot + HELD_PACKET_LENGTH);
    slot = takeHeld(slot);
    if (allowed) {
      awaitDecision(packet, length, decision);
    } else {
      reportDrop(packet, length, dropReason, decidedBy, 0);
      if (rejected) {
        sendCopy(packet, length, copies);
        rejectPacket(packet, length);
      } else {
        giveToMirror(packet, length, copies);
      }
    }
  }
}
