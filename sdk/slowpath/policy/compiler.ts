// SPDX-License-Identifier: Apache-2.0
/**
 * Compiles policies into what the slow path decides by (struct policy_table, struct address_sets).
 *
 * Each policy set has a classifier for each direction and family; see `struct classifier` in bpf/policy_abi.h and
 * docs/policy.md for why it is bitmaps.
 */

import {
  POLICY_CLASSIFIER_EGRESS,
  POLICY_CLASSIFIER_IPV6,
  policyRuleCodec,
  policyRuleLayout,
  policySetCodec,
  policySetLayout,
  policyTableCodec,
  policyTableLayout,
  RuleActionValue,
} from "../../layout/index.ts";
import { compileAddressSets } from "./address_sets.ts";
import { entriesOf, type FamilyOf, type PlacedRule, sameEntries, writeClassifier } from "./classifier.ts";
import { invalidRule } from "./match_fields.ts";
import { NodePool } from "./node_pool.ts";
import { RuleIds } from "./rule_ids.ts";
import { type ReadRule, RuleReader, SetNumbers } from "./rules.ts";
import { IPV4, IPV6, type Value } from "./spans.ts";
import { TableImage } from "./table_image.ts";
import type {
  CompiledPolicy,
  DefaultAction,
  DirectionName,
  PolicyCompilerInput,
  PolicyInput,
  PolicyRuleInput,
} from "./types.ts";

const FAMILY_4: FamilyOf<number> = {
  family: 4,
  domain: IPV4,
  taken: ({ ipv4 }) => ipv4,
  allowed: ({ allowed4 }) => allowed4,
};
const FAMILY_6: FamilyOf<bigint> = {
  family: 6,
  domain: IPV6,
  taken: ({ ipv6 }) => ipv6,
  allowed: ({ allowed6 }) => allowed6,
};

/** A policy set, read. */
interface ReadSet {
  readonly rules: readonly ReadRule[];
  readonly defaults: Readonly<Record<DirectionName, DefaultAction>>;
  readonly defaultRule: number;
}

/**
 * Compiles all policy sets of a node.
 * @throws WeirError `EINVALIDSTATE` naming policy and rule; `ENOSPC` naming the table that would be too large
 */
export function compilePolicy(input: PolicyCompilerInput): CompiledPolicy {
  const ids = new RuleIds();
  const numbers = new SetNumbers(input.prefixSets);
  const reader = new RuleReader(numbers);
  const sets = input.sets.map((policies) => readSet(reader, ids, policies, input));
  return {
    revision: input.revision,
    table: writeTable(sets, numbers.names.length, input.room?.table ?? Number.POSITIVE_INFINITY),
    addressSets: compileAddressSets(numbers.names, input.prefixSets, input.room?.addressSets),
    sets: numbers.names,
    rules: ids.references(),
  };
}

function readSet(
  reader: RuleReader,
  ids: RuleIds,
  policies: readonly PolicyInput[],
  input: PolicyCompilerInput,
): ReadSet {
  const rules: ReadRule[] = [];
  for (const [policy, { name: policyName, rules: given = [] }] of policies.entries()) {
    for (const [index, rule] of given.entries()) {
      const name = rule.name ?? `#${index}`;
      const where = `rule "${name}" of policy "${policyName}"`;
      const id = ids.of(policyName, name);
      const mirror = mirrorOf(rule, where, input);
      const read = reader.read(rule, where);
      if (read !== undefined) rules.push({ ...read, id, mirror, policy });
    }
  }
  const first = policies[0];
  // Policy on, but none named: the controller decides every flow.
  const defaultOf = (direction: DirectionName) => (first === undefined ? "ask" : defaultAction(first, direction));
  return {
    rules,
    defaults: { ingress: defaultOf("ingress"), egress: defaultOf("egress") },
    defaultRule: first === undefined ? 0 : ids.of(first.name, "default"),
  };
}

function defaultAction({ default: given }: PolicyInput, direction: DirectionName): DefaultAction {
  return (typeof given === "string" ? given : given?.[direction]) ?? "deny";
}

/** Number of the mirror that a rule names; 0: none. */
function mirrorOf({ mirror }: PolicyRuleInput, where: string, input: PolicyCompilerInput): number {
  if (mirror === undefined) return 0;
  const index = input.mirrors?.get(mirror);
  if (index === undefined) throw invalidRule(where, `there is no mirror "${mirror}"`);
  return index;
}

function writeTable(sets: readonly ReadSet[], addressSets: number, room: number): Uint8Array<ArrayBuffer> {
  const image = new TableImage("policies", room, "use fewer rules, or prefixes in place of single addresses");
  const pool = new NodePool(image);
  const ruleCount = sets.reduce((sum, { rules }) => sum + rules.length, 0);
  const header = image.take(policyTableLayout.size);
  // Set 0 is never used.
  const setsAt = image.take((sets.length + 1) * policySetLayout.size);
  const rulesAt = image.take(ruleCount * policyRuleLayout.size);
  const matchesAt = [image.take(addressSets * 4), image.take(addressSets * 4)] as const;
  let next = rulesAt;
  for (const [i, set] of sets.entries()) {
    const placed = set.rules.map((rule, k) => ({ rule, offset: next + k * policyRuleLayout.size }));
    next += placed.length * policyRuleLayout.size;
    for (const one of placed) writeRule(image.view, one);
    writeSet(image, pool, setsAt + (i + 1) * policySetLayout.size, set, placed);
  }
  const codec = policyTableCodec;
  codec.bytes.set(image.view, header, image.size);
  codec.setCount.set(image.view, header, sets.length + 1);
  codec.setOffset.set(image.view, header, setsAt);
  codec.ruleCount.set(image.view, header, ruleCount);
  codec.ruleOffset.set(image.view, header, rulesAt);
  codec.sourceMatches.set(image.view, header, matchesAt[0]);
  codec.destinationMatches.set(image.view, header, matchesAt[1]);
  return image.bytes();
}

function writeRule(view: DataView, { rule, offset }: PlacedRule): void {
  policyRuleCodec.action.set(view, offset, RuleActionValue[rule.action]);
  policyRuleCodec.log.set(view, offset, rule.log ? 1 : 0);
  policyRuleCodec.mirror.set(view, offset, rule.mirror);
  policyRuleCodec.id.set(view, offset, rule.id);
}

function writeSet(
  image: TableImage,
  pool: NodePool,
  base: number,
  { defaults, defaultRule }: ReadSet,
  rules: readonly PlacedRule[],
): void {
  writeDirections(image, pool, base, rules, FAMILY_4, 0);
  writeDirections(image, pool, base, rules, FAMILY_6, POLICY_CLASSIFIER_IPV6);
  policySetCodec.defaultIngress.set(image.view, base, RuleActionValue[defaults.ingress]);
  policySetCodec.defaultEgress.set(image.view, base, RuleActionValue[defaults.egress]);
  policySetCodec.defaultRule.set(image.view, base, defaultRule);
}

/** Writes a family's two classifiers; one where they are the same. */
function writeDirections<V extends Value>(
  image: TableImage,
  pool: NodePool,
  base: number,
  rules: readonly PlacedRule[],
  family: FamilyOf<V>,
  which: number,
): void {
  const ingress = entriesOf(rules, "ingress", family);
  const egress = entriesOf(rules, "egress", family);
  const first = writeClassifier(image, pool, ingress, family);
  const second = sameEntries(ingress, egress) ? first : writeClassifier(image, pool, egress, family);
  policySetCodec.classifiers.set(image.view, base, which, first);
  policySetCodec.classifiers.set(image.view, base, which + POLICY_CLASSIFIER_EGRESS, second);
}
