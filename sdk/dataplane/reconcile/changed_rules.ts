// SPDX-License-Identifier: Apache-2.0
/**
 * What a change of policies and sets may mean for flows. Policy goes through the rules that match a flow, in their
 * order: where all of those are the same as before, so is what is decided.
 */
import type { PolicyRuleInput } from "../../slowpath/index.ts";
import type { Policy, Rule } from "../schema/index.ts";
import { type AnyChange, type ObjectChange, sameValue } from "../state/desired.ts";
import type { Run } from "./context.ts";

/** Rules of which one matches each flow that may be decided otherwise, and the members of the sets that they name. */
export interface ChangedRules {
  readonly rules: readonly PolicyRuleInput[];
  readonly prefixSets: ReadonlyMap<string, readonly string[]>;
}

/** To tell which flows so many rules match takes as long as to judge them. */
const MOST_RULES = 2000;

/**
 * @param known what else has changed.
 * @returns `undefined` where any flow may be decided otherwise.
 */
export function changedRules(
  run: Run,
  known: ChangedRules | undefined,
  changes: readonly AnyChange[],
): ChangedRules | undefined {
  if (known === undefined) return undefined;
  const rules: PolicyRuleInput[] = [...known.rules];
  for (const change of changes) {
    if (change.kind === "sets") rules.push(...ofMembers(changedMembers(change)));
    if (change.kind !== "policies") continue;
    const [before, after] = [change.before[0]?.object, change.after[0]?.object];
    // It has decided nothing yet.
    if (before === undefined) continue;
    if (after === undefined || !sameValue(before.default, after.default)) return undefined;
    rules.push(...differing(before.rules, after.rules).map(asFilter));
  }
  if (rules.length > MOST_RULES) return undefined;
  return { rules, prefixSets: new Map([...setsOf(run, changes, rules), ...known.prefixSets]) };
}

/**
 * The same where an interface has another list of policies, as they are now: how they have changed themselves is known.
 * @param known what else has changed.
 */
export function withOtherList(
  run: Run,
  known: ChangedRules | undefined,
  before: readonly string[] | undefined,
  after: readonly string[] | undefined,
): ChangedRules | undefined {
  const [was, is] = [before, after].map((names) => names?.map((name) => run.state.get("policies", name)) ?? []);
  const [first, now] = [was?.[0], is?.[0]];
  if (known === undefined || first === undefined || now === undefined || !sameValue(first.default, now.default)) {
    return undefined;
  }
  const [had, has] = [rulesInOrder(was), rulesInOrder(is)];
  if (had === undefined || has === undefined) return undefined;
  const rules = [...known.rules, ...differing(had, has).map(asFilter)];
  if (rules.length > MOST_RULES) return undefined;
  return { rules, prefixSets: new Map([...setsOf(run, [], rules), ...known.prefixSets]) };
}

/** `undefined`: not all are known, or which rules follow which depends on where a policy ends. */
function rulesInOrder(policies: readonly (Policy | undefined)[] = []): readonly Rule[] | undefined {
  const rules = policies.flatMap((policy) => policy?.rules ?? []);
  if (policies.includes(undefined)) return undefined;
  return policies.length > 1 && rules.some(({ action }) => action === "pass") ? undefined : rules;
}

/** The rules of both, without those that both begin and end with: any between may come before others now. */
function differing(before: readonly Rule[] = [], after: readonly Rule[] = []): readonly Rule[] {
  const least = Math.min(before.length, after.length);
  let first = 0;
  while (first < least && sameRule(before[first], after[first])) first++;
  let last = 0;
  while (last < least - first && sameRule(before.at(-1 - last), after.at(-1 - last))) last++;
  return [...before.slice(first, before.length - last), ...after.slice(first, after.length - last)];
}

function sameRule(a: Rule | undefined, b: Rule | undefined): boolean {
  return a === b || sameValue({ ...a, name: undefined }, { ...b, name: undefined });
}

/** Matches what the rule matches. */
function asFilter({ name: _, mirror: __, ...rule }: Rule): PolicyRuleInput {
  return { ...rule, action: "allow", log: false };
}

/** Prefixes that a set has and had not, or had and has no more. */
function changedMembers({ before, after }: ObjectChange<"sets">): string[] {
  const [had, has] = [before, after].map(([winner]) => new Set(winner?.object.prefixes ?? []));
  if (had === undefined || has === undefined) return [];
  return [...[...had].filter((one) => !has.has(one)), ...[...has].filter((one) => !had.has(one))];
}

function ofMembers(prefixes: readonly string[]): PolicyRuleInput[] {
  return prefixes.length === 0
    ? []
    : [
        { action: "allow", from: prefixes },
        { action: "allow", to: prefixes },
      ];
}

/** Of sets that are no more, what their members were. */
function setsOf(
  run: Run,
  changes: readonly AnyChange[],
  rules: readonly PolicyRuleInput[],
): ReadonlyMap<string, readonly string[]> {
  const sets = new Map<string, readonly string[]>();
  const gone = new Map(
    changes.flatMap((change) => (change.kind === "sets" ? [[change.key, change.before[0]?.object.prefixes]] : [])),
  );
  for (const peer of rules.flatMap(({ from = [], to = [] }) => [...from, ...to])) {
    if (typeof peer === "string" || sets.has(peer.set)) continue;
    sets.set(peer.set, run.state.get("sets", peer.set)?.prefixes ?? gone.get(peer.set) ?? []);
  }
  return sets;
}
