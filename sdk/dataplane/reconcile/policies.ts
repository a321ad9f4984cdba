// SPDX-License-Identifier: Apache-2.0
/** Policies on their way to the slow path: which set an interface has, and what rule numbers stand for. */
import { configCodec } from "../../layout/index.ts";
import {
  bytesOf,
  type CompiledPolicy,
  PolicyCompiler,
  type PolicyImage,
  type PolicyInput,
  type PolicyRoom,
  type RuleReference,
  ServiceImages,
} from "../../slowpath/index.ts";
import { HOST_POLICY, hostPolicy, policiesOf } from "../host/host_object.ts";
import { hostServices, servicesChanged } from "../host/host_services.ts";
import type { Interface } from "../schema/index.ts";
import type { AnyChange } from "../state/desired.ts";
import { changedRules } from "./changed_rules.ts";
import type { Run } from "./context.ts";

/** The slow path, which decides by what is compiled here. */
export interface PolicyEngine {
  setPolicy(policy: PolicyImage): void;
  readonly policyRoom: PolicyRoom;
}

const listKey = (policies: readonly string[]): string => policies.join(" ");

/** The policy table of an instance. */
export class Policies {
  readonly #engine: PolicyEngine;
  /** Lists of policies by set number - 1; `undefined`: the number is free. */
  #slots: (string | undefined)[] = [];
  readonly #compiler = new PolicyCompiler();
  /** In force, or about to be. */
  #compiled: CompiledPolicy | undefined;
  /** Of gone tables too: the flows that these decided still name their rules. */
  readonly #rules = new Map<number, RuleReference>();
  #revision = 0;
  readonly #services = new ServiceImages();

  constructor(engine: PolicyEngine) {
    this.#engine = engine;
  }

  /** Bytes of what is in force, and those that there is room for. */
  get usage(): Readonly<Record<"rules" | "addressSets", { readonly used: number; readonly limit: number }>> {
    const { policyRoom: room } = this.#engine;
    return {
      rules: { used: this.#compiled === undefined ? 0 : bytesOf(this.#compiled), limit: room.table },
      addressSets: { used: this.#compiled?.addressSets.byteLength ?? 0, limit: room.addressSets },
    };
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
   * Compiles anew what changes of policies, sets or the lists of the interfaces concern, and nothing else; and notes the
   * flows that they do.
   * @returns puts it in force; does nothing when nothing changed.
   * @throws WeirError `ENOSPC` where it would be larger than the slow path has room for
   */
  apply(run: Run, changes: readonly AnyChange[]): () => void {
    const before = { slots: this.#slots, compiled: this.#compiled };
    const slots = this.#slotsFor(run);
    const sameSlots = slots.length === before.slots.length && slots.every((s, i) => s === before.slots[i]);
    if (changes.length === 0 && sameSlots && !servicesChanged(run)) return () => {};
    const compiled = this.#compile(run, slots);
    run.undo.push(() => {
      this.#slots = before.slots;
      // Never back: decisions of the table that goes must not be taken for newer ones.
      this.#revision++;
      if (before.compiled !== undefined) this.#set(run, { ...before.compiled, revision: this.#revision });
    });
    this.#slots = slots;
    for (const rule of compiled.rules) this.#rules.set(rule.id, rule);
    this.#revision = compiled.revision;
    this.noteStale(run, changes);
    return () => this.#set(run, compiled);
  }

  #compile(run: Run, slots: readonly (string | undefined)[]): CompiledPolicy {
    const { addressSets: room } = this.#engine.policyRoom;
    const compiled = this.#compiler.compile({
      revision: this.#revision + 1,
      sets: slots.map((list) => this.#policiesOf(run, list)),
      mirrors: new Map([...run.state.objects("mirrors")].map(({ name }) => [name, run.ids.take("mirror", name)])),
      prefixSets: prefixSetsOf(run),
      room: this.#engine.policyRoom,
    });
    return { ...compiled, addressSets: this.#services.append(compiled.addressSets, hostServices(run), room) };
  }

  #policiesOf(run: Run, list: string | undefined): PolicyInput[] {
    const names = list === undefined || list === "" ? [] : list.split(" ");
    // A policy that is deleted together with its last use is still in the kernel's list for a moment.
    return names.map((name) =>
      name === HOST_POLICY ? hostPolicy : (run.state.get("policies", name) ?? { name, default: "deny" }),
    );
  }

  #set(run: Run, compiled: CompiledPolicy): void {
    this.#compiled = compiled;
    this.#engine.setPolicy(compiled);
    configCodec.revision.set(run.tables.config.view, 0, compiled.revision);
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
    for (const { object, id } of run.live.values()) {
      if (policiesOf(object)?.some((name) => policies.has(name)) === true) run.stale.policies.add(id);
    }
    if (policies.size > 0) run.stale.rules = changedRules(run, run.stale.rules, changes);
  }

  /** Keeps the numbers of lists that were or are in use: the kernel's table still names the old ones. */
  #slotsFor(run: Run): (string | undefined)[] {
    const wanted = new Set<string>();
    for (const object of run.state.objects("interfaces")) addList(wanted, object);
    const inKernel = new Set<string>();
    for (const { object } of run.live.values()) addList(inKernel, object);
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

function prefixSetsOf(run: Run): ReadonlyMap<string, readonly string[]> {
  return new Map([...run.state.objects("sets")].map(({ name, prefixes }) => [name, prefixes]));
}

function addList(lists: Set<string>, object: Interface): void {
  const policies = policiesOf(object);
  if (policies !== undefined) lists.add(listKey(policies));
}
