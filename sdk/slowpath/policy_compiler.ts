// SPDX-License-Identifier: Apache-2.0
/** Compiles policies into the table that the slow path matches (struct policy_table). */

import type { Prefix } from "../address.ts";
import { RuleActionValue, RuleDirectionValue } from "../layout/index.ts";
import { familyOfProtocol, invalidRule, parsePeers, parsePorts, parseProtocol, parseTypes } from "./policy_match.ts";
import { EVERYTHING, type ListReference, TableBuilder } from "./policy_table.ts";
import type {
  CompiledPolicy,
  DefaultAction,
  DirectionName,
  PolicyCompilerInput,
  PolicyInput,
  PolicyRuleInput,
  RuleReference,
} from "./policy_types.ts";

/**
 * Compiles all policy sets of a node.
 * @throws WeirError `EINVALIDSTATE` naming policy and rule
 */
export function compilePolicy(input: PolicyCompilerInput): CompiledPolicy {
  const builder = new TableBuilder();
  const ids = new RuleIds();
  for (const policies of input.sets) addSet(builder, ids, policies, input);
  return { table: builder.write(input.revision), rules: ids.references() };
}

function addSet(
  builder: TableBuilder,
  ids: RuleIds,
  policies: readonly PolicyInput[],
  input: PolicyCompilerInput,
): void {
  const firstRule = builder.rules.length;
  for (const policy of policies) addPolicy(builder, ids, policy, input);
  const first = policies[0];
  builder.sets.push({
    firstRule,
    ruleCount: builder.rules.length - firstRule,
    // Policy on, but none named: the controller decides every flow.
    defaultIngress: RuleActionValue[first === undefined ? "ask" : defaultOf(first, "ingress")],
    defaultEgress: RuleActionValue[first === undefined ? "ask" : defaultOf(first, "egress")],
    defaultRule: first === undefined ? 0 : ids.of(first.name, "default"),
  });
}

function defaultOf(policy: PolicyInput, direction: DirectionName): DefaultAction {
  const given = policy.default;
  return (typeof given === "string" ? given : given?.[direction]) ?? "deny";
}

function addPolicy(builder: TableBuilder, ids: RuleIds, policy: PolicyInput, input: PolicyCompilerInput): void {
  const compiled = (policy.rules ?? []).flatMap((rule, index) => {
    const name = rule.name ?? `#${index}`;
    const where = `rule "${name}" of policy "${policy.name}"`;
    // `except` means another side in each direction: a rule for both is two.
    const both: readonly (DirectionName | undefined)[] =
      rule.except === undefined ? [undefined] : ["ingress", "egress"];
    const directions = rule.direction === undefined ? both : [rule.direction];
    return directions.map((direction) => ({ rule, direction, where, id: ids.of(policy.name, name) }));
  });
  const matching = compiled.flatMap(({ rule, direction, where, id }) => {
    const match = matchOf(builder, rule, direction, where, input);
    return match === undefined ? [] : [{ rule, direction, where, id, match }];
  });
  const next = builder.rules.length + matching.length;
  for (const { rule, direction, where, id, match } of matching) {
    builder.rules.push({
      id,
      direction: direction === undefined ? RuleDirectionValue.none : RuleDirectionValue[direction],
      action: RuleActionValue[rule.action],
      log: rule.log === true,
      mirror: mirrorOf(rule, where, input),
      next,
      ...match,
    });
  }
}

/** What a rule matches; `undefined` for nothing: a list that is given and empty can never match. */
function matchOf(
  builder: TableBuilder,
  rule: PolicyRuleInput,
  direction: DirectionName | undefined,
  where: string,
  input: PolicyCompilerInput,
) {
  const protocol = parseProtocol(rule.proto, where);
  const peers = (list: PolicyRuleInput["from"]): Prefix[] => parsePeers(list ?? [], input.prefixSets, where);
  const from = peers(rule.from);
  const to = peers(rule.to);
  const except = peers(rule.except);
  const ports =
    rule.types === undefined
      ? parsePorts(rule.ports ?? [], portsOf(rule, protocol), where)
      : parseTypes(rule.types, protocol, where);
  const sourcePorts = parsePorts(rule.sourcePorts ?? [], rule.sourcePorts === undefined ? undefined : protocol, where);
  const given: readonly [unknown, readonly unknown[]][] = [
    [rule.from, from],
    [rule.to, to],
    [rule.types ?? rule.ports, ports],
    [rule.sourcePorts, sourcePorts],
  ];
  if (given.some(([list, values]) => list !== undefined && values.length === 0)) return undefined;
  const prefixes = (list: readonly Prefix[]): ListReference =>
    list.length === 0 ? EVERYTHING : builder.prefixes(list);
  return {
    family: familyOfProtocol(protocol),
    protocol,
    source: prefixes(from),
    sourceExcept: direction === "egress" ? EVERYTHING : prefixes(except),
    destination: prefixes(to),
    destinationExcept: direction === "egress" ? prefixes(except) : EVERYTHING,
    sourcePorts: sourcePorts.length === 0 ? EVERYTHING : builder.ranges(sourcePorts),
    destinationPorts: ports.length === 0 ? EVERYTHING : builder.ranges(ports),
  };
}

/** Number of the mirror that a rule names; 0: none. */
function mirrorOf({ mirror }: PolicyRuleInput, where: string, input: PolicyCompilerInput): number {
  if (mirror === undefined) return 0;
  const index = input.mirrors?.get(mirror);
  if (index === undefined) throw invalidRule(where, `there is no mirror "${mirror}"`);
  return index;
}

/** Only a rule that has ports is checked for a protocol that has them. */
function portsOf(rule: PolicyRuleInput, protocol: number | undefined): number | undefined {
  return rule.ports === undefined ? undefined : protocol;
}

/** Numbers for rules: a hash of policy and rule, so that flows of an earlier run still name theirs. */
class RuleIds {
  readonly #byKey = new Map<string, RuleReference>();
  readonly #byId = new Map<number, string>();

  of(policy: string, rule: string): number {
    const key = `${policy}\0${rule}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) return known.id;
    let id = hash(key);
    // 0 means "no rule".
    while (id === 0 || this.#byId.has(id)) id = (id + 1) >>> 0;
    this.#byKey.set(key, { id, policy, rule });
    this.#byId.set(id, key);
    return id;
  }

  references(): readonly RuleReference[] {
    return [...this.#byKey.values()];
  }
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
