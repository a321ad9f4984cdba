// SPDX-License-Identifier: Apache-2.0
/**
 * Matches the packet that was parsed last against the compiled policy (struct policy_table), rule after rule.
 * Two policies concern a packet: that of the interface it comes from (egress) and that of the one it goes to
 * (ingress). Both must allow it.
 */

import { control, interfaceOf } from "./control";
import {
  DIRECTION_EGRESS,
  DIRECTION_INGRESS,
  DIRECTION_NONE,
  INTERFACE_POLICY_OFFSET,
  POLICY_PREFIX_ADDRESS,
  POLICY_PREFIX_FAMILY,
  POLICY_PREFIX_MASK,
  POLICY_PREFIX_SIZE,
  POLICY_RANGE_FIRST,
  POLICY_RANGE_LAST,
  POLICY_RANGE_SIZE,
  POLICY_RULE_ACTION,
  POLICY_RULE_DESTINATION_COUNT,
  POLICY_RULE_DESTINATION_EXCEPT_COUNT,
  POLICY_RULE_DESTINATION_EXCEPT_FIRST,
  POLICY_RULE_DESTINATION_FIRST,
  POLICY_RULE_DESTINATION_PORT_COUNT,
  POLICY_RULE_DESTINATION_PORT_FIRST,
  POLICY_RULE_DIRECTION,
  POLICY_RULE_FAMILY,
  POLICY_RULE_HITS,
  POLICY_RULE_ID,
  POLICY_RULE_LOG,
  POLICY_RULE_MIRROR,
  POLICY_RULE_NEXT,
  POLICY_RULE_PROTOCOL,
  POLICY_RULE_PROTOCOL_ANY,
  POLICY_RULE_SIZE,
  POLICY_RULE_SOURCE_COUNT,
  POLICY_RULE_SOURCE_EXCEPT_COUNT,
  POLICY_RULE_SOURCE_EXCEPT_FIRST,
  POLICY_RULE_SOURCE_FIRST,
  POLICY_RULE_SOURCE_PORT_COUNT,
  POLICY_RULE_SOURCE_PORT_FIRST,
  POLICY_SET_DEFAULT_EGRESS,
  POLICY_SET_DEFAULT_INGRESS,
  POLICY_SET_DEFAULT_RULE,
  POLICY_SET_FIRST_RULE,
  POLICY_SET_RULE_COUNT,
  POLICY_SET_SIZE,
  POLICY_TABLE_PREFIX_OFFSET,
  POLICY_TABLE_RANGE_OFFSET,
  POLICY_TABLE_REVISION,
  POLICY_TABLE_RULE_OFFSET,
  POLICY_TABLE_SET_COUNT,
  POLICY_TABLE_SET_OFFSET,
  RULE_ALLOW,
  RULE_ASK,
  RULE_DENY,
  RULE_LOG,
  RULE_NONE,
  RULE_PASS,
  RULE_REJECT,
  WORKER_CONTROL_POLICY,
  WORKER_CONTROL_POLICY_ACK,
} from "./layout";
import { eventLog } from "./message";
import {
  destination0,
  destination1,
  destinationPort,
  family,
  hasPorts,
  icmp,
  protocol,
  source0,
  source1,
  sourcePort,
} from "./parse";
import { interfaceIdOf, outInterfaceIdOf } from "./trap";

let table: usize = 0;
let rules: usize = 0;
let prefixes: usize = 0;
let ranges: usize = 0;

/**
 * What `judge` found: the rule that decided, in which direction, the first mirror of the rules that matched, and the
 * counters of the deciding rules.
 */
export let rule: u32 = 0;
export let direction: u32 = DIRECTION_NONE;
export let mirror: u32 = 0;
export let egressHits: usize = 0;
export let ingressHits: usize = 0;

/** Set by `evaluate`: the rule that ended it, and its counter (0: the default did). */
let decidedBy: u32 = 0;
let decidedHits: usize = 0;

/** Takes the table in force, and tells the main thread that no other one is read any more. */
export function loadPolicy(): void {
  const current: usize = atomic.load<u32>(control + WORKER_CONTROL_POLICY);
  if (current == table) return;
  table = current;
  if (table != 0) {
    rules = table + load<u32>(table + POLICY_TABLE_RULE_OFFSET);
    prefixes = table + load<u32>(table + POLICY_TABLE_PREFIX_OFFSET);
    ranges = table + load<u32>(table + POLICY_TABLE_RANGE_OFFSET);
  }
  atomic.store<u32>(control + WORKER_CONTROL_POLICY_ACK, <u32>current);
}

/** Revision of the policy in force. */
export function policyRevision(): u32 {
  return table == 0 ? 0 : load<u32>(table + POLICY_TABLE_REVISION);
}

/**
 * Decides on the packet that was parsed last.
 * @return RULE_ALLOW, RULE_DENY, RULE_REJECT or RULE_ASK; RULE_NONE if the policy of one of its interfaces
 * has not been given yet
 */
export function judge(packet: usize, length: u32): u32 {
  rule = 0;
  direction = DIRECTION_NONE;
  mirror = 0;
  egressHits = 0;
  ingressHits = 0;

  const egress = evaluate(packet, length, policySetOf(interfaceIdOf(packet)), DIRECTION_EGRESS);
  rule = decidedBy;
  direction = DIRECTION_EGRESS;
  egressHits = decidedHits;
  if (egress == RULE_NONE || egress == RULE_DENY || egress == RULE_REJECT) return egress;

  const ingress = evaluate(packet, length, policySetOf(outInterfaceIdOf(packet)), DIRECTION_INGRESS);
  if (ingress == RULE_ALLOW && (egress == RULE_ASK || decidedBy == 0)) {
    ingressHits = decidedHits;
    return egress;
  }
  // What was allowed on the way out counts only if it is not stopped on the way in.
  if (ingress != RULE_ALLOW && ingress != RULE_ASK) egressHits = 0;
  rule = decidedBy;
  direction = DIRECTION_INGRESS;
  ingressHits = decidedHits;
  return ingress;
}

function policySetOf(interfaceId: u32): u32 {
  const address = interfaceOf(interfaceId);
  return address == 0 ? 0 : load<u16>(address + INTERFACE_POLICY_OFFSET);
}

/** The verdict of one policy set; set 0 allows. */
function evaluate(packet: usize, length: u32, set: u32, towards: u32): u32 {
  decidedBy = 0;
  decidedHits = 0;
  if (set == 0) return RULE_ALLOW;
  if (table == 0 || set >= load<u32>(table + POLICY_TABLE_SET_COUNT)) return RULE_NONE;
  const policy = table + load<u32>(table + POLICY_TABLE_SET_OFFSET) + set * POLICY_SET_SIZE;
  let index = load<u32>(policy + POLICY_SET_FIRST_RULE);
  const last = index + load<u32>(policy + POLICY_SET_RULE_COUNT);
  while (index < last) {
    const at = rules + index * POLICY_RULE_SIZE;
    index++;
    if (!matches(at, towards)) continue;
    const action: u32 = load<u8>(at + POLICY_RULE_ACTION);
    if (mirror == 0) mirror = load<u8>(at + POLICY_RULE_MIRROR);
    if (action == RULE_LOG || load<u8>(at + POLICY_RULE_LOG) != 0) {
      eventLog(packet, length, load<u32>(at + POLICY_RULE_ID), towards);
    }
    if (action == RULE_LOG) {
      hit(at + POLICY_RULE_HITS);
    } else if (action == RULE_PASS) {
      hit(at + POLICY_RULE_HITS);
      // Only ever forwards, whatever the table says.
      index = max(index, load<u32>(at + POLICY_RULE_NEXT));
    } else {
      decidedBy = load<u32>(at + POLICY_RULE_ID);
      decidedHits = at + POLICY_RULE_HITS;
      return action;
    }
  }
  decidedBy = load<u32>(policy + POLICY_SET_DEFAULT_RULE);
  return load<u8>(policy + (towards == DIRECTION_INGRESS ? POLICY_SET_DEFAULT_INGRESS : POLICY_SET_DEFAULT_EGRESS));
}

/** Raises a rule's counter; address 0 is none. */
export function hit(counter: usize): void {
  if (counter != 0) store<u64>(counter, load<u64>(counter) + 1);
}

function matches(at: usize, towards: u32): bool {
  const wanted: u32 = load<u8>(at + POLICY_RULE_DIRECTION);
  if (wanted != DIRECTION_NONE && wanted != towards) return false;
  const wantedFamily: u32 = load<u8>(at + POLICY_RULE_FAMILY);
  if (wantedFamily != 0 && wantedFamily != family) return false;
  const anyProtocol = load<u8>(at + POLICY_RULE_PROTOCOL_ANY) != 0;
  if (!anyProtocol && load<u8>(at + POLICY_RULE_PROTOCOL) != protocol) return false;

  const destinationPorts = load<u32>(at + POLICY_RULE_DESTINATION_PORT_COUNT);
  if (destinationPorts != 0) {
    // Types are ports only in a rule for ICMP: one for any protocol means real ports.
    if (!hasPorts && (anyProtocol || icmp == ~0)) return false;
    const value = hasPorts ? destinationPort : icmp;
    if (!inRanges(load<u32>(at + POLICY_RULE_DESTINATION_PORT_FIRST), destinationPorts, value)) return false;
  }
  const sourcePorts = load<u32>(at + POLICY_RULE_SOURCE_PORT_COUNT);
  if (sourcePorts != 0) {
    if (!hasPorts || !inRanges(load<u32>(at + POLICY_RULE_SOURCE_PORT_FIRST), sourcePorts, sourcePort)) return false;
  }

  let n = load<u32>(at + POLICY_RULE_SOURCE_COUNT);
  if (n != 0 && !inPrefixes(load<u32>(at + POLICY_RULE_SOURCE_FIRST), n, source0, source1)) return false;
  n = load<u32>(at + POLICY_RULE_DESTINATION_COUNT);
  if (n != 0 && !inPrefixes(load<u32>(at + POLICY_RULE_DESTINATION_FIRST), n, destination0, destination1)) return false;
  n = load<u32>(at + POLICY_RULE_SOURCE_EXCEPT_COUNT);
  if (n != 0 && inPrefixes(load<u32>(at + POLICY_RULE_SOURCE_EXCEPT_FIRST), n, source0, source1)) return false;
  n = load<u32>(at + POLICY_RULE_DESTINATION_EXCEPT_COUNT);
  return n == 0 || !inPrefixes(load<u32>(at + POLICY_RULE_DESTINATION_EXCEPT_FIRST), n, destination0, destination1);
}

function inPrefixes(first: u32, n: u32, half0: u64, half1: u64): bool {
  let at = prefixes + first * POLICY_PREFIX_SIZE;
  const last = at + n * POLICY_PREFIX_SIZE;
  for (; at < last; at += POLICY_PREFIX_SIZE) {
    if (load<u32>(at + POLICY_PREFIX_FAMILY) != family) continue;
    const difference0 = (half0 ^ load<u64>(at + POLICY_PREFIX_ADDRESS)) & load<u64>(at + POLICY_PREFIX_MASK);
    const difference1 = (half1 ^ load<u64>(at + POLICY_PREFIX_ADDRESS + 8)) & load<u64>(at + POLICY_PREFIX_MASK + 8);
    if ((difference0 | difference1) == 0) return true;
  }
  return false;
}

function inRanges(first: u32, n: u32, value: u32): bool {
  let at = ranges + first * POLICY_RANGE_SIZE;
  const last = at + n * POLICY_RANGE_SIZE;
  for (; at < last; at += POLICY_RANGE_SIZE) {
    if (value >= load<u16>(at + POLICY_RANGE_FIRST) && value <= load<u16>(at + POLICY_RANGE_LAST)) return true;
  }
  return false;
}
