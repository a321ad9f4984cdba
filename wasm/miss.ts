// SPDX-License-Identifier: Apache-2.0
/** The first packets of a flow (trap flow-miss): policy decides, and the decision goes to the kernel. */

import { ask } from "./ask";
import { count, get } from "./control";
import { UNDECIDED, awaitDecision, decide, decisionFor, dropReasonOf, forwards, mirrorOf, ruleOf, translateTo } from "./decision";
import { drop, reportDrop } from "./drops";
import { findHeld, holdBehind } from "./hold";
import { unreachable } from "./icmp";
import { injectReceived } from "./inject";
import {
  DROP_HOLD_LIMIT,
  DROP_HOLD_TIMEOUT,
  DROP_INVALID_PACKET,
  DROP_NO_ROUTE,
  DROP_NO_SERVICE,
  DROP_POLICY_DENY,
  FLOW_DROP,
  FLOW_FORWARD,
  RULE_ALLOW,
  RULE_ASK,
  RULE_NONE,
  RULE_REJECT,
  TRAP_ASK,
  WORKER_CONTROL_ALLOWED,
  WORKER_CONTROL_ASKING,
  WORKER_CONTROL_ASK_OTHERWISE,
  WORKER_CONTROL_DENIED,
  WORKER_CONTROL_REJECTED,
} from "./layout";
import { giveToMirror, sendCopy } from "./mirror";
import * as parsed from "./parse";
import { direction, egressHits, ingressHits, judge, mirror, rule } from "./policy/judge";
import { loadPolicy } from "./policy/table";
import { REJECT_IDLE_SECONDS, rejectPacket } from "./reject";
import { findService, NO_SERVICE, REFUSED } from "./service";
import { isLate } from "./settled";
import { decideAlone, isStateless } from "./stateless";
import { generationOf, mayEndFlow, nexthopIdOf, parseBegun } from "./trap";

/** Decides the flow of a trapped packet, or lets the packet join what its flow waits for. */
export function flowMiss(packet: usize, length: u32): void {
  if (isStateless(packet)) {
    decideAlone(packet, length);
    return;
  }
  const generation = generationOf(packet);
  const decision = decisionFor(generation);
  if (decision != UNDECIDED) {
    if (forwards(decision)) {
      awaitDecision(packet, length, decision);
      return;
    }
    reportDrop(packet, length, dropReasonOf(decision), ruleOf(decision), 0);
    giveToMirror(packet, length, mirrorOf(decision));
    return;
  }
  const asked = findHeld(TRAP_ASK, generation);
  if (asked != 0) {
    if (!holdBehind(asked, packet, length)) drop(packet, length, DROP_HOLD_LIMIT);
    return;
  }
  if (isLate(generation)) {
    injectReceived(packet, length);
    return;
  }
  if (!parseBegun(packet, length)) {
    drop(packet, length, DROP_INVALID_PACKET);
    return;
  }
  if (parsed.fragment && parsed.l4 == 0) {
    // Its flow was in the first fragment's hands, and is decided by now.
    injectReceived(packet, length);
    return;
  }
  if (nexthopIdOf(packet) == 0) {
    reportDrop(packet, length, DROP_NO_ROUTE, 0, 0);
    unreachable(packet, length);
    return;
  }
  let judged = judge(packet, length);
  if (judged == RULE_NONE) {
    // The interface's policy may have been given after this burst began.
    loadPolicy();
    judged = judge(packet, length);
  }
  decideFlow(packet, length, judged);
}

function decideFlow(packet: usize, length: u32, judged: u32): void {
  if (judged == RULE_NONE) {
    // Its interface is known but its policy is not: neither may this packet pass nor may the flow be denied for good.
    drop(packet, length, DROP_HOLD_TIMEOUT);
    return;
  }
  let verdict = judged;
  if (verdict == RULE_ASK) {
    if (get(WORKER_CONTROL_ASKING) != 0) {
      ask(packet, length);
      return;
    }
    verdict = get(WORKER_CONTROL_ASK_OTHERWISE);
  }
  if (verdict == RULE_ALLOW) {
    const service = findService(packet);
    if (service == REFUSED) {
      // Without a decision: what is refused here may be another flow's answer as soon as that has begun.
      drop(packet, length, DROP_NO_SERVICE);
      return;
    }
    count(WORKER_CONTROL_ALLOWED);
    const decision = decide(packet, FLOW_FORWARD, 0, rule, mirror, 0, egressHits, ingressHits);
    if (service != NO_SERVICE) translateTo(decision, service);
    awaitDecision(packet, length, decision);
    return;
  }
  const rejected = verdict == RULE_REJECT;
  count(rejected ? WORKER_CONTROL_REJECTED : WORKER_CONTROL_DENIED);
  if (mayEndFlow(packet)) {
    const idleSeconds = rejected ? REJECT_IDLE_SECONDS : 0;
    decide(packet, FLOW_DROP, DROP_POLICY_DENY, rule, mirror, idleSeconds, egressHits, ingressHits);
  }
  reportDrop(packet, length, DROP_POLICY_DENY, rule, direction);
  if (!rejected) {
    giveToMirror(packet, length, mirror);
    return;
  }
  sendCopy(packet, length, mirror);
  rejectPacket(packet, length);
}
