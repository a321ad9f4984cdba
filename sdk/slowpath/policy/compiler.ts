// SPDX-License-Identifier: Apache-2.0
/**
 * Compiles policies into what the slow path decides by (struct policy_set, struct address_sets). A policy set whose
 * policies are the same objects as the last time is not compiled again, nor are address sets with the same members.
 */

import { WeirError } from "../../errors.ts";
import { compileAddressSets } from "./address_sets.ts";
import { compileSet } from "./policy_set.ts";
import { RuleIds } from "./rule_ids.ts";
import { RuleReader } from "./rules.ts";
import { SetNumbers } from "./set_numbers.ts";
import { bytesOf, type CompiledPolicy, type CompiledSet, type PolicyCompilerInput, type PolicyInput } from "./types.ts";

/** A set as it was compiled, and what from. */
interface Known {
  readonly policies: readonly PolicyInput[];
  /** The mirrors that its rules name, with their numbers. */
  readonly mirrors: string;
  readonly set: CompiledSet;
  readonly addressSets: ReadonlySet<number>;
}

/** Compiles all policy sets of a node, time and again. */
export class PolicyCompiler {
  readonly #ids = new RuleIds();
  readonly #numbers = new SetNumbers();
  /** By the first policy: the sets of the last compilation. */
  #known = new Map<PolicyInput | undefined, Known[]>();
  #addressSets:
    | { readonly members: readonly (readonly string[] | undefined)[]; readonly bytes: CompiledSet }
    | undefined;

  /**
   * The policies that are given are not to be changed afterwards.
   * @throws WeirError `EINVALIDSTATE` naming policy and rule; `ENOSPC` naming the table that would be too large
   */
  compile(input: PolicyCompilerInput): CompiledPolicy {
    const room = input.room?.table ?? Number.POSITIVE_INFINITY;
    this.#numbers.known = input.prefixSets;
    this.#ids.takeAsked();
    const names = { reader: new RuleReader(this.#numbers), ids: this.#ids, mirrors: input.mirrors };
    const next = new Map<PolicyInput | undefined, Known[]>();
    const used = new Set<number>();
    const compiled = input.sets.map((policies) => {
      const mirrors = mirrorsOf(policies, input);
      const same = (one: Known) => one.mirrors === mirrors && samePolicies(one.policies, policies);
      const first = policies[0];
      const known = next.get(first)?.find(same) ??
        this.#known.get(first)?.find(same) ?? { policies, mirrors, ...compileSet(policies, names, room) };
      const others = next.get(first);
      if (others === undefined) next.set(first, [known]);
      else if (!others.includes(known)) others.push(known);
      for (const number of known.addressSets) used.add(number);
      return known.set;
    });
    requireRoom(bytesOf({ compiled }), room);
    this.#known = next;
    this.#numbers.keep(used);
    const sets = [...this.#numbers.names];
    return {
      revision: input.revision,
      compiled,
      addressSets: this.#withMembers(sets, input),
      sets,
      rules: this.#ids.takeAsked(),
    };
  }

  #withMembers(sets: CompiledPolicy["sets"], { prefixSets, room }: PolicyCompilerInput): CompiledSet {
    const members = sets.map((name) => (name === undefined ? undefined : prefixSets?.get(name)));
    const last = this.#addressSets;
    if (last?.members.length === members.length && members.every((list, i) => list === last.members[i])) {
      return last.bytes;
    }
    const bytes = compileAddressSets(sets, prefixSets, room?.addressSets);
    this.#addressSets = { members, bytes };
    return bytes;
  }
}

/** Compiles all policy sets of a node, once. */
export const compilePolicy = (input: PolicyCompilerInput): CompiledPolicy => new PolicyCompiler().compile(input);

const samePolicies = (a: readonly PolicyInput[], b: readonly PolicyInput[]): boolean =>
  a.length === b.length && a.every((policy, i) => policy === b[i]);

function mirrorsOf(policies: readonly PolicyInput[], { mirrors }: PolicyCompilerInput): string {
  if (mirrors === undefined || mirrors.size === 0) return "";
  const named = policies.flatMap(({ rules = [] }) => rules.flatMap(({ mirror }) => mirror ?? []));
  return [...new Set(named)].map((name) => `${name}=${mirrors.get(name)}`).join();
}

function requireRoom(bytes: number, room: number): void {
  if (bytes <= room) return;
  throw new WeirError({
    code: "ENOSPC",
    operation: "compile the policies",
    reason: `table "policies" would take more than the ${room} bytes that there is room for`,
    hint: "use fewer rules, or prefixes in place of single addresses",
  });
}
