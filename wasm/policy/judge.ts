// SPDX-License-Identifier: Apache-2.0
/**
 * Decides on the packet that was parsed last. Two policies concern it: that of the interface it comes from (egress)
 * and that of the one it goes to (ingress). Both must allow it.
 */

import { interfaceOf } from "../control";
import {
  DIRECTION_EGRESS,
  DIRECTION_INGRESS,
  DIRECTION_NONE,
  INTERFACE_POLICY_OFFSET,
  POLICY_CLASSIFIER_EGRESS,
  POLICY_CLASSIFIER_IPV6,
  POLICY_RULE_ACTION,
  POLICY_RULE_HITS,
  POLICY_RULE_ID,
  POLICY_RULE_LOG,
  POLICY_RULE_MIRROR,
  POLICY_SET_CLASSIFIERS,
  POLICY_SET_DEFAULT_EGRESS,
  POLICY_SET_DEFAULT_INGRESS,
  POLICY_SET_DEFAULT_RULE,
  RULE_ALLOW,
  RULE_ASK,
  RULE_DENY,
  RULE_LOG,
  RULE_NONE,
  RULE_PASS,
  RULE_REJECT,
} from "../layout";
import { eventLog } from "../message";
import { family } from "../parse";
import { beginningOf, endOf } from "../trap";
import { classify, NO_RULE, nextMatch, passedTo, ruleAt } from "./classifier";
import { selectSet, table } from "./table";

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

/**
 * Decides on the packet that was parsed last.
 * @return RULE_ALLOW, RULE_DENY, RULE_REJECT or RULE_ASK; RULE_NONE if the policy of one of its interfaces
 * has not been given yet
 */
export function judge(packet: usize, length: u32): u32 {
  return judgeBetween(packet, length, policySetOf(beginningOf(packet)), policySetOf(endOf(packet)));
}

/**
 * The same, where the two policy sets are known; 0: there is none.
 * @param packet 0: there is none either, and nothing is logged
 */
export function judgeBetween(packet: usize, length: u32, from: u32, to: u32): u32 {
  rule = 0;
  direction = DIRECTION_NONE;
  mirror = 0;
  egressHits = 0;
  ingressHits = 0;

  const egress = evaluate(packet, length, from, DIRECTION_EGRESS);
  rule = decidedBy;
  direction = DIRECTION_EGRESS;
  egressHits = decidedHits;
  if (egress == RULE_NONE || egress == RULE_DENY || egress == RULE_REJECT) return egress;

  const ingress = evaluate(packet, length, to, DIRECTION_INGRESS);
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

export function policySetOf(interfaceId: u32): u32 {
  const address = interfaceOf(interfaceId);
  return address == 0 ? 0 : load<u16>(address + INTERFACE_POLICY_OFFSET);
}

/** The verdict of one policy set; set 0 allows. `packet`: as for `judgeBetween`. */
export function evaluate(packet: usize, length: u32, set: u32, towards: u32): u32 {
  decidedBy = 0;
  decidedHits = 0;
  if (set == 0) return RULE_ALLOW;
  if (!selectSet(set)) return RULE_NONE;
  const which =
    (towards == DIRECTION_EGRESS ? POLICY_CLASSIFIER_EGRESS : 0) | (family == 6 ? POLICY_CLASSIFIER_IPV6 : 0);
  const classifier: usize = load<u32>(table + POLICY_SET_CLASSIFIERS + (which << 2));
  if (classifier != 0) {
    classify(table + classifier);
    const action = decide(packet, length, towards);
    if (action != RULE_NONE) return action;
  }
  decidedBy = load<u32>(table + POLICY_SET_DEFAULT_RULE);
  return load<u8>(table + (towards == DIRECTION_INGRESS ? POLICY_SET_DEFAULT_INGRESS : POLICY_SET_DEFAULT_EGRESS));
}

/** Takes the matching rules in order until one decides. RULE_NONE: none does. */
function decide(packet: usize, length: u32, towards: u32): u32 {
  let match = nextMatch(0);
  while (match != NO_RULE) {
    const at = ruleAt(match);
    const action: u32 = load<u8>(at + POLICY_RULE_ACTION);
    if (mirror == 0) mirror = load<u8>(at + POLICY_RULE_MIRROR);
    if (packet != 0 && (action == RULE_LOG || load<u8>(at + POLICY_RULE_LOG) != 0)) {
      eventLog(packet, length, load<u32>(at + POLICY_RULE_ID), towards);
    }
    if (action != RULE_LOG && action != RULE_PASS) {
      decidedBy = load<u32>(at + POLICY_RULE_ID);
      decidedHits = at + POLICY_RULE_HITS;
      return action;
    }
    hit(at + POLICY_RULE_HITS);
    // Only ever forwards, whatever the table says.
    match = nextMatch(action == RULE_PASS ? max(match + 1, passedTo(match)) : match + 1);
  }
  return RULE_NONE;
}

/** Raises a rule's counter; address 0 is none. */
export function hit(counter: usize): void {
  if (counter != 0) store<u64>(counter, load<u64>(counter) + 1);
}
