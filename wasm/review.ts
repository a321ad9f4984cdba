// SPDX-License-Identifier: Apache-2.0
/**
 * Looks through the flows that are there after a change (struct flow_review), for the main thread, in a memory that no
 * worker uses. Which flows there are is read from the kernel's own slots (struct flow_slot4, flow_slot6), what they are
 * is told by weir_flow_update (DECISION_READ), and what is to become of them is a DECISION_DELETE or DECISION_REROUTE:
 * all in the records of `decisions`, a thousand at a time.
 */

import { get, interfaceOf, nexthopOf, set } from "./control";
import {
  DECISION_DELETE,
  DECISION_NONE,
  DECISION_OK,
  DECISION_PENDING,
  DECISION_READ,
  DECISION_READ_PAIR,
  DECISION_REROUTE,
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
  FLOW_DECISION_REVERSE_INGRESS,
  FLOW_DECISION_REVERSE_MIRROR,
  FLOW_DECISION_REVERSE_NEXTHOP,
  FLOW_DECISION_REVISION,
  FLOW_DECISION_RULE,
  FLOW_DECISION_SIZE,
  FLOW_DECISION_SOURCE,
  FLOW_DECISION_SOURCE_PORT,
  FLOW_DECISION_VRF,
  FLOW_END_CHANGED,
  FLOW_FLAG_CHOSEN,
  FLOW_FLAG_CHOSEN_BACK,
  FLOW_FLAG_SINGLE,
  FLOW_FORWARD,
  FLOW_HOLD,
  FLOW_NAT,
  FLOW_REVIEW_EVERYONE,
  FLOW_REVIEW_FILTER,
  FLOW_REVIEW_INTERFACES,
  FLOW_REVIEW_MIRRORS,
  FLOW_REVIEW_NEXTHOPS,
  FLOW_REVIEW_READ,
  FLOW_REVIEW_REVISION,
  FLOW_REVIEW_ROUTES,
  FLOW_REVIEW_TRANSLATED,
  FLOW_REVIEW_VRFS,
  FLOW_SLOT4_KEY,
  FLOW_SLOT4_SIZE,
  FLOW_SLOT4_STATE,
  FLOW_SLOT6_KEY,
  FLOW_SLOT6_SIZE,
  FLOW_SLOT6_STATE,
  INGRESS_COPY,
  INGRESS_ID,
  INGRESS_TUNNEL,
  INGRESS_UNKNOWN,
  NEXTHOP_INTERFACE_OFFSET,
  NEXTHOP_NONE,
  NEXTHOP_TYPE,
  REVIEW_GONE,
  REVIEW_OVER,
  REVIEW_POLICY,
  REVIEW_WAY,
  RULE_ALLOW,
  RULE_ASK,
  SLOT_FREE,
  SLOT_TRANSLATED,
  WEIR_REVIEW_VRFS,
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
 * @return the slot to go on at
 */
export function collectFlows(review: u32, family: u32, slots: u32, at: u32, end: u32): u32 {
  const everyone = load<u32>(review + FLOW_REVIEW_EVERYONE) != 0;
  const filter = everyone ? 0 : load<u32>(review + FLOW_REVIEW_FILTER);
  const translated = load<u32>(review + FLOW_REVIEW_TRANSLATED) != 0;
  const read = load<u32>(review + FLOW_REVIEW_READ);
  const size: usize = family == 4 ? FLOW_SLOT4_SIZE : FLOW_SLOT6_SIZE;
  const stateAt: usize = family == 4 ? FLOW_SLOT4_STATE : FLOW_SLOT6_STATE;
  const keyAt: usize = family == 4 ? FLOW_SLOT4_KEY : FLOW_SLOT6_KEY;
  let count: u32 = 0;
  if (filter != 0) usePolicy(filter);
  for (; at < end && count < WEIR_DECISIONS_PER_WORKER; at++) {
    const slot = slots + at * size;
    const state = load<u32>(slot + stateAt);
    if (state == SLOT_FREE) continue;
    parseKey(family, slot + keyAt);
    if (filter != 0 && !(translated && (state & SLOT_TRANSLATED) != 0) && !isMeant()) continue;
    write(recordAt(count), read, family, load<u32>(slot + keyAt));
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

function write(record: usize, read: u32, family: u32, vrf: u32): void {
  memory.fill(record, 0, FLOW_DECISION_SIZE);
  store<u8>(record + FLOW_DECISION_OPERATION, read);
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

/** True if a record tells what its entry is. It asks for nothing then. */
function takeRead(record: usize): bool {
  const operation: u32 = load<u8>(record + FLOW_DECISION_OPERATION);
  store<u8>(record + FLOW_DECISION_OPERATION, DECISION_NONE);
  const read = operation == DECISION_READ || operation == DECISION_READ_PAIR;
  return read && load<u8>(record + FLOW_DECISION_RESULT) == DECISION_OK;
}

function endFlow(record: usize): void {
  store<u8>(record + FLOW_DECISION_OPERATION, DECISION_DELETE);
  store<u8>(record + FLOW_DECISION_END_REASON, FLOW_END_CHANGED);
}

// @ts-ignore: decorator
@inline
function entriesOf(record: usize): u32 {
  return (load<u8>(record + FLOW_DECISION_FLAGS) & FLOW_FLAG_SINGLE) != 0 ? 1 : 2;
}

/**
 * Of the records that were read, those of flows between interfaces whose policies have changed, and that policy does not
 * allow as before, are deleted.
 * @param judging false: it only counts the entries of flows between such interfaces
 * @return how many are to be deleted, or were counted
 */
export function judgeFlows(review: u32, judging: bool): u32 {
  const count = get(WORKER_CONTROL_DECISION_COUNT);
  let found: u32 = 0;
  loadPolicy();
  for (let i: u32 = 0; i < count; i++) {
    const record = recordAt(i);
    if (!takeRead(record)) continue;
    const from = interfaceOfIngress(load<u32>(record + FLOW_DECISION_INGRESS));
    const to = interfaceOfNexthop(load<u32>(record + FLOW_DECISION_NEXTHOP));
    if (((marksOf(review, from) | marksOf(review, to)) & REVIEW_POLICY) == 0) continue;
    if (!judging) {
      found += entriesOf(record);
    } else if (!isAllowedAsBefore(record, from, to)) {
      endFlow(record);
      found++;
    }
  }
  return found;
}

/**
 * Of the records that were read, those of flows that may go elsewhere, or come from elsewhere, look for their way anew;
 * those that cannot go on are deleted.
 * @param leading false: it only counts the entries of such flows
 * @return how many are to be changed, or were counted
 */
export function leadFlows(review: u32, leading: bool): u32 {
  const count = get(WORKER_CONTROL_DECISION_COUNT);
  const filter = load<u32>(review + FLOW_REVIEW_FILTER);
  let found: u32 = 0;
  if (filter != 0) usePolicy(filter);
  for (let i: u32 = 0; i < count; i++) {
    const record = recordAt(i);
    if (!takeRead(record)) continue;
    const over = isOver(review, record);
    if (!over && !mayGoElsewhere(review, record, filter)) continue;
    if (!leading) {
      found += entriesOf(record);
      continue;
    }
    found++;
    const gone = goneOf(review, load<u32>(record + FLOW_DECISION_INGRESS));
    const goneToo = goneOf(review, load<u32>(record + FLOW_DECISION_REVERSE_INGRESS));
    if (over || !sends(record) || hasLostItsChoice(review, record) || (gone != 0 && goneToo != 0)) {
      endFlow(record);
      continue;
    }
    store<u8>(record + FLOW_DECISION_OPERATION, DECISION_REROUTE);
    store<u32>(record + FLOW_DECISION_INGRESS, gone | goneToo);
    store<u32>(record + FLOW_DECISION_REVISION, load<u32>(review + FLOW_REVIEW_REVISION));
  }
  return found;
}

/** Whether one of its interfaces is in another VRF now, or one of its mirrors is no more. */
function isOver(review: usize, record: usize): bool {
  const ends =
    marksOf(review, interfaceOfIngress(load<u32>(record + FLOW_DECISION_INGRESS))) |
    marksOf(review, interfaceOfNexthop(load<u32>(record + FLOW_DECISION_NEXTHOP))) |
    marksOf(review, interfaceOfIngress(load<u32>(record + FLOW_DECISION_REVERSE_INGRESS))) |
    marksOf(review, interfaceOfNexthop(load<u32>(record + FLOW_DECISION_REVERSE_NEXTHOP)));
  if ((ends & REVIEW_OVER) != 0) return true;
  const mirrors = load<u32>(review + FLOW_REVIEW_MIRRORS);
  const own: u32 = load<u8>(record + FLOW_DECISION_MIRROR);
  const others: u32 = load<u8>(record + FLOW_DECISION_REVERSE_MIRROR);
  return load<u8>(mirrors + own) != 0 || load<u8>(mirrors + others) != 0;
}

function mayGoElsewhere(review: usize, record: usize, filter: u32): bool {
  const ingress = load<u32>(record + FLOW_DECISION_INGRESS);
  const back = load<u32>(record + FLOW_DECISION_REVERSE_INGRESS);
  if (((marksOf(review, interfaceOfIngress(ingress)) | marksOf(review, interfaceOfIngress(back))) & REVIEW_WAY) != 0) {
    return true;
  }
  if (
    isLedElsewhere(review, load<u32>(record + FLOW_DECISION_NEXTHOP)) ||
    isLedElsewhere(review, load<u32>(record + FLOW_DECISION_REVERSE_NEXTHOP)) ||
    isLedElsewhere(review, tunnelOf(ingress)) ||
    isLedElsewhere(review, tunnelOf(back))
  ) {
    return true;
  }
  if (load<u32>(review + FLOW_REVIEW_ROUTES) == 0) return false;
  const vrf = load<u32>(record + FLOW_DECISION_VRF) & (WEIR_REVIEW_VRFS - 1);
  if (load<u8>(load<u32>(review + FLOW_REVIEW_VRFS) + vrf) == 0) return false;
  if (filter == 0 || load<u8>(record + FLOW_DECISION_ACTION) == FLOW_NAT) return true;
  parseDecision(record);
  return isMeant();
}

function sends(record: usize): bool {
  const action: u32 = load<u8>(record + FLOW_DECISION_ACTION);
  return action == FLOW_FORWARD || action == FLOW_NAT;
}

/** Whether a next hop that the controller chose is another one now, or none. */
function hasLostItsChoice(review: usize, record: usize): bool {
  const flags: u32 = load<u8>(record + FLOW_DECISION_FLAGS);
  if ((flags & FLOW_FLAG_CHOSEN) != 0 && isLost(review, load<u32>(record + FLOW_DECISION_NEXTHOP))) return true;
  return (flags & FLOW_FLAG_CHOSEN_BACK) != 0 && isLost(review, load<u32>(record + FLOW_DECISION_REVERSE_NEXTHOP));
}

function isLost(review: usize, id: u32): bool {
  const nexthop = nexthopOf(id);
  return nexthop == 0 || load<u8>(nexthop + NEXTHOP_TYPE) == NEXTHOP_NONE || isLedElsewhere(review, id);
}

function isLedElsewhere(review: usize, id: u32): bool {
  return nexthopOf(id) != 0 && load<u8>(load<u32>(review + FLOW_REVIEW_NEXTHOPS) + id) != 0;
}

/** Id of an interface; 0: it comes from none. */
function interfaceOfIngress(ingress: u32): u32 {
  return (ingress & (INGRESS_TUNNEL | INGRESS_UNKNOWN | INGRESS_COPY)) != 0 ? 0 : ingress;
}

/** Id of a tunnel's next hop; 0: it comes from none that is known. */
function tunnelOf(ingress: u32): u32 {
  return (ingress & INGRESS_TUNNEL) != 0 && (ingress & INGRESS_UNKNOWN) == 0 ? ingress & INGRESS_ID : 0;
}

/** Id of the interface that a next hop leads to; 0: a tunnel, or none. */
function interfaceOfNexthop(id: u32): u32 {
  const nexthop = nexthopOf(id);
  return nexthop == 0 ? 0 : load<u16>(nexthop + NEXTHOP_INTERFACE_OFFSET);
}

/** REVIEW_* of an interface. */
function marksOf(review: usize, id: u32): u32 {
  return interfaceOf(id) == 0 ? 0 : load<u8>(load<u32>(review + FLOW_REVIEW_INTERFACES) + id);
}

/** The interface that packets come from, if that is no more; else 0. */
function goneOf(review: usize, ingress: u32): u32 {
  const id = interfaceOfIngress(ingress);
  return (marksOf(review, id) & REVIEW_GONE) != 0 ? id : 0;
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
 * After the changes: those whose entries were just being replaced are to be read again.
 * @return how many (`decision_count`)
 */
export function lookAgainAtFlows(review: u32): u32 {
  const count = get(WORKER_CONTROL_DECISION_COUNT);
  let again: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const record = recordAt(i);
    const operation: u32 = load<u8>(record + FLOW_DECISION_OPERATION);
    if (operation != DECISION_DELETE && operation != DECISION_REROUTE) continue;
    if (load<u8>(record + FLOW_DECISION_RESULT) != DECISION_STALE) continue;
    if (i != again) memory.copy(recordAt(again), record, FLOW_DECISION_SIZE);
    store<u8>(recordAt(again) + FLOW_DECISION_OPERATION, load<u32>(review + FLOW_REVIEW_READ));
    again++;
  }
  set(WORKER_CONTROL_DECISION_COUNT, again);
  return again;
}
