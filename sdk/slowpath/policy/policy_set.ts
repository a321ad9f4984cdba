// SPDX-License-Identifier: Apache-2.0
/**
 * Compiles the policies of an interface, in their order (struct policy_set): a classifier for each direction and family;
 * see `struct classifier` in bpf/policy_abi.h and docs/policy.md for why it is bitmaps.
 */

import {
  POLICY_CLASSIFIER_EGRESS,
  POLICY_CLASSIFIER_IPV6,
  policyRuleCodec,
  policyRuleLayout,
  policySetCodec,
  policySetLayout,
  RuleActionValue,
} from "../../layout/index.ts";
import { entriesOf, type FamilyOf, type PlacedRule, sameEntries, writeClassifier } from "./classifier.ts";
import { invalidRule } from "./match_fields.ts";
import { NodePool } from "./node_pool.ts";
import type { RuleIds } from "./rule_ids.ts";
import type { ReadRule, RuleReader } from "./rules.ts";
import { IPV4, IPV6, type Value } from "./spans.ts";
import { TableImage } from "./table_image.ts";
import type { CompiledSet, DefaultAction, DirectionName, PolicyInput, PolicyRuleInput } from "./types.ts";

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

/** What names stand for. */
export interface RuleNames {
  readonly reader: RuleReader;
  readonly ids: RuleIds;
  readonly mirrors: ReadonlyMap<string, number> | undefined;
}

/**
 * @param room bytes.
 * @returns the set, and the numbers of the address sets that its rules name.
 * @throws WeirError `EINVALIDSTATE` naming policy and rule; `ENOSPC` naming the table that would be too large
 */
export function compileSet(
  policies: readonly PolicyInput[],
  names: RuleNames,
  room: number,
): { readonly set: CompiledSet; readonly addressSets: ReadonlySet<number> } {
  const read = readSet(policies, names);
  const addressSets = new Set(
    read.rules.flatMap(({ sides: { ingress, egress } }) =>
      [ingress, egress].flatMap((sides) =>
        sides === undefined ? [] : [...sides.source.sets, ...sides.destination.sets],
      ),
    ),
  );
  return { set: writeSet(read, addressSets.size, room), addressSets };
}

function readSet(policies: readonly PolicyInput[], { reader, ids, mirrors }: RuleNames): ReadSet {
  const rules: ReadRule[] = [];
  for (const [policy, { name: policyName, rules: given = [] }] of policies.entries()) {
    for (const [index, rule] of given.entries()) {
      const name = rule.name ?? `#${index}`;
      const where = `rule "${name}" of policy "${policyName}"`;
      const id = ids.of(policyName, name);
      const mirror = mirrorOf(rule, where, mirrors);
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
function mirrorOf({ mirror }: PolicyRuleInput, where: string, mirrors: RuleNames["mirrors"]): number {
  if (mirror === undefined) return 0;
  const index = mirrors?.get(mirror);
  if (index === undefined) throw invalidRule(where, `there is no mirror "${mirror}"`);
  return index;
}

/** @param addressSets that may hold an address and that rules name, at most. */
function writeSet({ rules, defaults, defaultRule }: ReadSet, addressSets: number, room: number): CompiledSet {
  const image = new TableImage("policies", room, "use fewer rules, or prefixes in place of single addresses");
  const pool = new NodePool(image);
  const codec = policySetCodec;
  const base = image.take(policySetLayout.size);
  const rulesAt = image.take(rules.length * policyRuleLayout.size);
  const matchesAt = [image.take(addressSets * 4), image.take(addressSets * 4)] as const;
  const placed = rules.map((rule, i) => ({ rule, offset: rulesAt + i * policyRuleLayout.size }));
  for (const one of placed) writeRule(image.view, one);
  writeDirections(image, pool, base, placed, FAMILY_4, 0);
  writeDirections(image, pool, base, placed, FAMILY_6, POLICY_CLASSIFIER_IPV6);
  codec.bytes.set(image.view, base, image.size);
  codec.ruleCount.set(image.view, base, rules.length);
  codec.ruleOffset.set(image.view, base, rulesAt);
  codec.sourceMatches.set(image.view, base, matchesAt[0]);
  codec.destinationMatches.set(image.view, base, matchesAt[1]);
  codec.defaultIngress.set(image.view, base, RuleActionValue[defaults.ingress]);
  codec.defaultEgress.set(image.view, base, RuleActionValue[defaults.egress]);
  codec.defaultRule.set(image.view, base, defaultRule);
  return image.bytes();
}

function writeRule(view: DataView, { rule, offset }: PlacedRule): void {
  policyRuleCodec.action.set(view, offset, RuleActionValue[rule.action]);
  policyRuleCodec.log.set(view, offset, rule.log ? 1 : 0);
  policyRuleCodec.mirror.set(view, offset, rule.mirror);
  policyRuleCodec.id.set(view, offset, rule.id);
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
