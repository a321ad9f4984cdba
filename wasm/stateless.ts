// SPDX-License-Identifier: Apache-2.0
/**
 * Packets for whose flow the kernel's table has no room, from interfaces with `tableFull: forward`: policy decides on
 * each by itself, and nothing is kept of it. What policy does not allow does not pass.
 */

import { get, interfaceOf } from "./control";
import { drop, reportDrop } from "./drops";
import { unreachable } from "./icmp";
import { injectAllowed } from "./inject";
import {
  DROP_FLOW_TABLE_FULL,
  DROP_HOLD_TIMEOUT,
  DROP_INVALID_PACKET,
  DROP_NO_ROUTE,
  DROP_POLICY_DENY,
  INTERFACE_FLAGS,
  INTERFACE_FULL_FORWARD,
  RULE_ALLOW,
  RULE_ASK,
  RULE_NONE,
  RULE_REJECT,
  TRAP_FLAG_STATELESS,
  WORKER_CONTROL_ASKING,
  WORKER_CONTROL_ASK_OTHERWISE,
} from "./layout";
import { giveToMirror, sendCopy } from "./mirror";
import { direction, egressHits, hit, ingressHits, judge, mirror, rule } from "./policy/judge";
import { loadPolicy } from "./policy/table";
import { rejectPacket } from "./reject";
import { flagsOf, interfaceIdOf, nexthopIdOf, parseTrapped } from "./trap";

/** True if the kernel found no room for the packet's flow. */
export function isStateless(packet: usize): bool {
  return (flagsOf(packet) & TRAP_FLAG_STATELESS) != 0;
}

/** Whether packets of the packet's interface go on when there is no room for their flows. */
export function mayGoWithout(packet: usize): bool {
  const at = interfaceOf(interfaceIdOf(packet));
  return at != 0 && (load<u32>(at + INTERFACE_FLAGS) & INTERFACE_FULL_FORWARD) != 0;
}

/** Decides on the packet alone. */
export function decideAlone(packet: usize, length: u32): void {
  if (!parseTrapped(packet, length)) {
    drop(packet, length, DROP_INVALID_PACKET);
    return;
  }
  if (nexthopIdOf(packet) == 0) {
    reportDrop(packet, length, DROP_NO_ROUTE, 0, 0);
    unreachable(packet, length);
    return;
  }
  let verdict = judge(packet, length);
  if (verdict == RULE_NONE) {
    // As in flowMiss: the interface's policy may have been given after this burst began.
    loadPolicy();
    verdict = judge(packet, length);
  }
  if (verdict == RULE_NONE) {
    drop(packet, length, DROP_HOLD_TIMEOUT);
    return;
  }
  if (verdict == RULE_ASK) {
    // A packet waits for a verdict by its flow's entry.
    if (get(WORKER_CONTROL_ASKING) != 0) {
      drop(packet, length, DROP_FLOW_TABLE_FULL);
      return;
    }
    verdict = get(WORKER_CONTROL_ASK_OTHERWISE);
  }
  hit(egressHits);
  hit(ingressHits);
  if (verdict == RULE_ALLOW) {
    sendCopy(packet, length, mirror);
    injectAllowed(packet, length);
    return;
  }
  reportDrop(packet, length, DROP_POLICY_DENY, rule, direction);
  if (verdict != RULE_REJECT) {
    giveToMirror(packet, length, mirror);
    return;
  }
  sendCopy(packet, length, mirror);
  rejectPacket(packet, length);
}
