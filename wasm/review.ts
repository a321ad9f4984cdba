// SPDX-License-Identifier: Apache-2.0
/**
 * Looks through the flows that are there after a change of policy, for the main thread, in a memory that no worker
 * uses. Which flows there are is read from the kernel's own slots (struct flow_slot4, flow_slot6), what they are is
 * told by weir_flow_update (DECISION_READ), and what policy allows no more becomes a DECISION_DELETE: all in the
 * records of `decisions`, a thousand at a time.
 */

import { get, interfaceOf, nexthopOf, set } from "./control";
import {
  DECISION_DELETE,
  DECISION_NONE,
  DECISION_OK,
  DECISION_PENDING,
  DECISION_READ,
  DECISION_STALE,
  DIRECTION_EGRESS,
  DIRECTION_INGRESS,
  FLOW_DECISION_ACTION,
  FLOW_DECISION_DESTINATION,
  FLOW_DECISION_DESTINATION_PORT,
  FLOW_DECISION_END_REASON,
  FLOW_DECISION_FAMILY,
  FLOW_DECISION_FLAGS,
  FLOW_DECISION_INGRESS,
  FLOW_DECISION_MIRROR,
  FLOW_DECISION_NEXTHOP,
  FLOW_DECISION_OPERATION,
  FLOW_DECISION_PROTOCOL,
  FLOW_DECISION_RESULT,
  FLOW_DECISION_RULE,
  FLOW_DECISION_SIZE,
  FLOW_DECISION_SOURCE,
  FLOW_DECISION_SOURCE_PORT,
  FLOW_DECISION_VRF,
  FLOW_END_CHANGED,
  FLOW_FLAG_SINGLE,
  FLOW_FORWARD,
  FLOW_HOLD,
  FLOW_SLOT4_KEY,
  FLOW_SLOT4_SIZE,
  FLOW_SLOT4_STATE,
  FLOW_SLOT6_KEY,
  FLOW_SLOT6_SIZE,
  FLOW_SLOT6_STATE,
  INGRESS_COPY,
  INGRESS_TUNNEL,
  INGRESS_UNKNOWN,
  NEXTHOP_INTERFACE_OFFSET,
  RULE_ALLOW,
  RULE_ASK,
  SLOT_FREE,
  WEIR_DECISIONS_PER_WORKER,
  WORKER_CONTROL_DECISIONS,
  WORKER_CONTROL_DECISION_COUNT,
} from "./layout";
import {
  destination0,
  destination1,
  destinationPort,
  parseDecision,
  parseKey,
  protocol,
  source0,
  source1,
  sourcePort,
} from "./parse";
import { evaluate, judgeBetween, mirror, policySetOf, rule } from "./policy/judge";
import { loadPolicy, usePolicy } from "./policy/table";

/** The policy set of the filter. */
const FILTER_SET: u32 = 1;

// @ts-ignore: decorator
@inline
function recordAt(i: u32): usize {
  return get(WORKER_CONTROL_DECISIONS) + i * FLOW_DECISION_SIZE;
}

/**
 * Writes records to be read for the flows from slot `at` on, as many as there is room for (`decision_count`).
 * @param slots address of the slots of a family
 * @param end the first slot that has never been in use
 * @param filter struct policy_root whose set 1 allows the flows that are meant; 0: all are
 * @return the slot to go on at
 */
export function collectFlows(family: u32, slots: u32, at: u32, end: u32, filter: u32): u32 {
  const size: usize = family == 4 ? FLOW_SLOT4_SIZE : FLOW_SLOT6_SIZE;
  const stateAt: usize = family == 4 ? FLOW_SLOT4_STATE : FLOW_SLOT6_STATE;
  const keyAt: usize = family == 4 ? FLOW_SLOT4_KEY : FLOW_SLOT6_KEY;
  let count: u32 = 0;
  if (filter != 0) usePolicy(filter);
  for (; at < end && count < WEIR_DECISIONS_PER_WORKER; at++) {
    const slot = slots + at * size;
    if (load<u32>(slot + stateAt) == SLOT_FREE) continue;
    parseKey(family, slot + keyAt);
    if (filter != 0 && !isMeant()) continue;
    write(recordAt(count), family, load<u32>(slot + keyAt));
    count++;
  }
  set(WORKER_CONTROL_DECISION_COUNT, count);
  return at;
}

/** Whether the filter allows the flow that was parsed last, whichever of its ends has the policy. */
function isMeant(): bool {
  return (
    evaluate(0, 0, FILTER_SET, DIRECTION_EGRESS) == RULE_ALLOW ||
    evaluate(0, 0, FILTER_SET, DIRECTION_INGRESS) == RULE_ALLOW
  );
}

function write(record: usize, family: u32, vrf: u32): void {
  memory.fill(record, 0, FLOW_DECISION_SIZE);
  store<u8>(record + FLOW_DECISION_OPERATION, DECISION_READ);
  store<u8>(record + FLOW_DECISION_RESULT, DECISION_PENDING);
  store<u8>(record + FLOW_DECISION_FAMILY, family);
  store<u32>(record + FLOW_DECISION_VRF, vrf);
  store<u64>(record + FLOW_DECISION_SOURCE, source0);
  store<u64>(record + FLOW_DECISION_SOURCE + 8, source1);
  store<u64>(record + FLOW_DECISION_DESTINATION, destination0);
  store<u64>(record + FLOW_DECISION_DESTINATION + 8, destination1);
  store<u16>(record + FLOW_DECISION_SOURCE_PORT, bswap<u16>(<u16>sourcePort));
  store<u16>(record + FLOW_DECISION_DESTINATION_PORT, bswap<u16>(<u16>destinationPort));
  store<u8>(record + FLOW_DECISION_PROTOCOL, protocol);
}

/**
 * Makes of the records that were read what is to be done: those of flows between interfaces whose policies have
 * changed, and that policy does not allow as before, are deleted.
 * @param changed __u8[interface_count]: 1 where policies have changed
 * @param judging false: it only counts the entries of flows between such interfaces
 * @return how many are to be deleted, or were counted
 */
export function reviewFlows(changed: u32, judging: bool): u32 {
  const count = get(WORKER_CONTROL_DECISION_COUNT);
  let found: u32 = 0;
  loadPolicy();
  for (let i: u32 = 0; i < count; i++) {
    const record = recordAt(i);
    const wasRead = load<u8>(record + FLOW_DECISION_OPERATION) == DECISION_READ;
    store<u8>(record + FLOW_DECISION_OPERATION, DECISION_NONE);
    if (!wasRead || load<u8>(record + FLOW_DECISION_RESULT) != DECISION_OK) continue;
    const from = interfaceThatItComesFrom(record);
    const nexthop = nexthopOf(load<u32>(record + FLOW_DECISION_NEXTHOP));
    const to: u32 = nexthop == 0 ? 0 : load<u16>(nexthop + NEXTHOP_INTERFACE_OFFSET);
    if (!isChanged(changed, from) && !isChanged(changed, to)) continue;
    if (!judging) {
      found += (load<u8>(record + FLOW_DECISION_FLAGS) & FLOW_FLAG_SINGLE) != 0 ? 1 : 2;
    } else if (!isAllowedAsBefore(record, from, to)) {
      store<u8>(record + FLOW_DECISION_OPERATION, DECISION_DELETE);
      store<u8>(record + FLOW_DECISION_END_REASON, FLOW_END_CHANGED);
      found++;
    }
  }
  return found;
}

function interfaceThatItComesFrom(record: usize): u32 {
  const ingress = load<u32>(record + FLOW_DECISION_INGRESS);
  return (ingress & (INGRESS_TUNNEL | INGRESS_UNKNOWN | INGRESS_COPY)) != 0 ? 0 : ingress;
}

function isChanged(changed: usize, id: u32): bool {
  return interfaceOf(id) != 0 && load<u8>(changed + id) != 0;
}

/**
 * Whether policy allows the flow of a record as before, with the same copies; or still leaves it, by the same rule, to
 * the controller, who has decided.
 */
function isAllowedAsBefore(record: usize, from: u32, to: u32): bool {
  const action: u32 = load<u8>(record + FLOW_DECISION_ACTION);
  if (action == FLOW_HOLD) return false;
  parseDecision(record);
  const judged = judgeBetween(0, 0, policySetOf(from), policySetOf(to));
  if (judged == RULE_ASK) return rule == load<u32>(record + FLOW_DECISION_RULE);
  return judged == RULE_ALLOW && action == FLOW_FORWARD && mirror == load<u8>(record + FLOW_DECISION_MIRROR);
}

/**
 * After the deletions: those whose entries were just being replaced are to be read again.
 * @return how many (`decision_count`)
 */
export function lookAgainAtFlows(): u32 {
  const count = get(WORKER_CONTROL_DECISION_COUNT);
  let again: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const record = recordAt(i);
    if (load<u8>(record + FLOW_DECISION_OPERATION) != DECISION_DELETE) continue;
    if (load<u8>(record + FLOW_DECISION_RESULT) != DECISION_STALE) continue;
    if (i != again) memory.copy(recordAt(again), record, FLOW_DECISION_SIZE);
    store<u8>(recordAt(again) + FLOW_DECISION_OPERATION, DECISION_READ);
    again++;
  }
  set(WORKER_CONTROL_DECISION_COUNT, again);
  return again;
}
