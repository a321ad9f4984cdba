// SPDX-License-Identifier: Apache-2.0
/** Policies on their way to the slow path: which set an interface has, and what rule numbers stand for. */
import { configCodec, policyTableCodec } from "../layout/index.ts";
import { compilePolicy, type PolicyInput, type RuleReference } from "../slowpath/index.ts";
import type { AnyChange } from "./desired.ts";
import type { Run } from "./reconcile/context.ts";

/** Gives a compiled table to the slow path. */
export type Publish = (table: Uint8Array<ArrayBuffer>) => void;

const listKey = (policies: readonly string[]): string => policies.join(" ");

/** The policy table of an instance. */
export class Policies {
  readonly #publish: Publish;
  /** Lists of policies by set number - 1; `undefined`: the number is free. */
  #slots: (string | undefined)[] = [];
  #table: Uint8Array<ArrayBuffer> | undefined;
  #rules = new Map<number, RuleReference>();
  #revision = 0;

  constructor(publish: Publish) {
    this.#publish = publish;
  }

  /** Number of the set that an interface with these policies has. */
  indexOf(policies: readonly string[]): number {
    return this.#slots.indexOf(listKey(policies)) + 1;
  }

  /** Which rule a number in a flow entry stands for. */
  rule(id: number): RuleReference | undefined {
    return this.#rules.get(id);
  }

  /** Counts up with each table. */
  get revision(): number {
    return this.#revision;
  }

  /**
   * Compiles a new table when policies, sets or the lists of the interfaces changed, and notes the flows that they
   * concern.
   * @returns puts the table in force; does nothing when nothing changed.
   */
  apply(run: Run, changes: readonly AnyChange[]): () => void {
    const before = { slots: this.#slots, table: this.#table, rules: this.#rules, revision: this.#revision };
    const slots = this.#slotsFor(run);
    if (changes.length === 0 && slots.length === before.slots.length && slots.every((s, i) => s === before.slots[i])) {
      return () => {};
    }
    const compiled = compilePolicy({
      revision: before.revision + 1,
      sets: slots.map((list) => policiesOf(run, list)),
      mirrors: new Map([...run.state.objects("mirrors")].map(({ name }) => [name, run.ids.take("mirror", name)])),
      prefixSets: new Map([...run.state.objects("sets")].map(({ name, prefixes }) => [name, prefixes])),
    });
    run.undo.push(() => {
      this.#slots = before.slots;
      this.#rules = before.rules;
      // Never back: decisions of the table that goes must not be taken for newer ones.
      this.#revision++;
      if (before.table !== undefined) this.#set(run, restamped(before.table, this.#revision));
    });
    this.#slots = slots;
    // Flows that an older table decided still name its rules.
    this.#rules = new Map([...before.rules, ...compiled.rules.map((rule) => [rule.id, rule] as const)]);
    this.#revision = before.revision + 1;
    this.noteStale(run, changes);
    return () => this.#set(run, compiled.table);
  }

  #set(run: Run, table: Uint8Array<ArrayBuffer>): void {
    this.#table = table;
    this.#publish(table);
    configCodec.revision.set(run.tables.config.view, 0, this.#revision);
  }

  /** Notes the flows that changed policies and sets concern. */
  noteStale(run: Run, changes: readonly AnyChange[]): void {
    const sets = new Set<string>();
    const policies = new Set<string>();
    for (const { kind, key } of changes) {
      if (kind === "sets") sets.add(key);
      else if (kind === "policies") policies.add(key);
    }
    if (sets.size > 0) {
      for (const policy of run.state.objects("policies")) {
        const peers = (policy.rules ?? []).flatMap((rule) => [...(rule.from ?? []), ...(rule.to ?? [])]);
        if (peers.some((peer) => typeof peer === "object" && sets.has(peer.set))) policies.add(policy.name);
      }
    }
    for (const { object, id, nexthop } of run.live.values()) {
      if (object.policies?.some((name) => policies.has(name)) !== true) continue;
      run.stale.interfaces.add(id);
      run.stale.nexthops.add(nexthop);
    }
  }

  /** Keeps the numbers of lists that were or are in use: the kernel's table still names the old ones. */
  #slotsFor(run: Run): (string | undefined)[] {
    const wanted = new Set<string>();
    for (const { policies } of run.state.objects("interfaces"))
      if (policies !== undefined) wanted.add(listKey(policies));
    const inKernel = new Set<string>();
    for (const { object } of run.live.values())
      if (object.policies !== undefined) inKernel.add(listKey(object.policies));
    const slots = this.#slots.map((list) =>
      list !== undefined && (wanted.has(list) || inKernel.has(list)) ? list : undefined,
    );
    for (const list of wanted) {
      if (slots.includes(list)) continue;
      const free = slots.indexOf(undefined);
      if (free < 0) slots.push(list);
      else slots[free] = list;
    }
    return slots;
  }
}

/** A copy of a table with another revision. */
function restamped(table: Uint8Array<ArrayBuffer>, revision: number): Uint8Array<ArrayBuffer> {
  const copy = table.slice();
  policyTableCodec.revision.set(new DataView(copy.buffer), 0, revision);
  return copy;
}

function policiesOf(run: Run, list: string | undefined): PolicyInput[] {
  const names = list === undefined || list === "" ? [] : list.split(" ");
  return names.flatMap((name) => {
    // A policy that is deleted together with its last use is still in the kernel's list for a moment.
    const policy = run.state.get("policies", name);
    return policy === undefined ? [{ name, default: "deny" as const }] : [policy];
  });
}
