// SPDX-License-Identifier: Apache-2.0
/** The desired state in memory: objects of several owners, the winner of each key, and a journal to undo. */

import type { RouteChanges } from "../routes/route_changes.ts";
import { RouteTable } from "../routes/route_table.ts";
import { type Kind, type KindObjects, kinds } from "../schema/index.ts";
import type { Candidate, Candidates } from "./candidate.ts";
import { type ReferenceTo, type ReferenceVisitor, referenceTargets, visitReferences } from "./references.ts";

/** What a transaction did to one key. */
export interface ObjectChange<K extends Kind = Kind> {
  readonly kind: K;
  readonly key: string;
  readonly before: Candidates<K>;
  readonly after: Candidates<K>;
}

/** Kinds that are kept as objects. Routes are numbers in columns. */
export type ObjectKind = Exclude<Kind, "routes">;

/** A change together with what it was for its kind. */
export type AnyChange = { [K in ObjectKind]: ObjectChange<K> }[ObjectKind];

/** What a transaction did. Good until it is kept or rolled back. */
export class StateChanges {
  /** Of all kinds but routes; kind by kind, in the order in which they were first changed. */
  readonly objects: readonly AnyChange[];
  readonly routes: RouteChanges;
  /** How many of the objects were changed before the first route. */
  readonly routesAt: number;

  constructor(objects: readonly AnyChange[], routes: RouteChanges, routesAt: number) {
    this.objects = objects;
    this.routes = routes;
    this.routesAt = routesAt;
  }

  get isEmpty(): boolean {
    return this.objects.length === 0 && this.routes.length === 0;
  }

  /** Those of one kind. */
  of<K extends ObjectKind>(kind: K): (AnyChange & ObjectChange<K>)[] {
    return this.objects.filter((change): change is AnyChange & ObjectChange<K> => change.kind === kind);
  }
}

const NONE: Candidates<never> = [];

/** What a key held before the transaction, and what it holds now. */
interface JournalEntry {
  readonly before: Candidates;
  after: Candidates;
}

type Tables = { [K in ObjectKind]: Map<string, Candidates<K>> };

/** The objects that should be. Changes are journalled from `begin` to `keep` or `rollBack`. */
export class DesiredState {
  readonly routes = new RouteTable();
  readonly #tables = Object.fromEntries(kinds.map((kind) => [kind, new Map()])) as unknown as Tables;
  /** How many objects name each target, without routes. */
  readonly #references = new Map<ReferenceTo, Map<string, number>>(referenceTargets.map((to) => [to, new Map()]));
  readonly #countUp: ReferenceVisitor = (to, name) => this.#count(to, name, 1);
  readonly #countDown: ReferenceVisitor = (to, name) => this.#count(to, name, -1);
  /** Changed keys by kind. That of routes stands empty, for its place among the others. */
  #journal = new Map<Kind, Map<string, JournalEntry>>();

  /** The winner under `key`. */
  get<K extends Kind>(kind: K, key: string): KindObjects[K] | undefined {
    return this.candidates(kind, key)[0]?.object;
  }

  candidates<K extends Kind>(kind: K, key: string): Candidates<K> {
    if (kind === "routes") return this.routes.candidates(key) as Candidates<Kind> as Candidates<K>;
    return this.#table(kind).get(key) ?? NONE;
  }

  entries<K extends Kind>(kind: K): IterableIterator<[string, Candidates<K>]> {
    if (kind !== "routes") return this.#table(kind).entries();
    return this.routes.entries() as IterableIterator<[string, Candidates<Kind>]> as IterableIterator<
      [string, Candidates<K>]
    >;
  }

  /** Of kinds that are kept as objects. */
  #table<K extends Kind>(kind: K): Map<string, Candidates<K>> {
    return this.#tables[kind as ObjectKind] as unknown as Map<string, Candidates<K>>;
  }

  /** The winners of a kind. */
  *objects<K extends Kind>(kind: K): Generator<KindObjects[K]> {
    for (const [, [winner]] of this.entries(kind)) if (winner !== undefined) yield winner.object;
  }

  size(kind: Kind): number {
    return kind === "routes" ? this.routes.size : this.#table(kind).size;
  }

  /** How many objects, of all owners, name the target. */
  referenceCount(to: ReferenceTo, name: string): number {
    const count = this.#references.get(to)?.get(name) ?? 0;
    return to === "vrf" || to === "via" ? count + this.routes.referenceCount(to, name) : count;
  }

  /**
   * Puts an object; its owner's older one under the same key goes. Routes have the key that their fields say.
   * @param durable false: it goes with the process.
   */
  put<K extends Kind>(kind: K, key: string, owner: string, object: KindObjects[K], durable = true): void {
    if (kind === "routes") {
      this.noteRoutes();
      this.routes.put(owner, object as KindObjects["routes"], durable);
      return;
    }
    const before = this.candidates(kind, key);
    const candidate: Candidate<K> = { owner, object, preference: 0, durable };
    const after = before.length === 0 ? [candidate] : [...before.filter((other) => other.owner !== owner), candidate];
    if (after.length > 1) after.sort((a, b) => (a.owner < b.owner ? -1 : 1));
    this.#set(kind, key, before, after);
  }

  /** Takes an owner's object away; false when there is none. */
  delete(kind: Kind, key: string, owner: string): boolean {
    if (kind === "routes") {
      this.noteRoutes();
      return this.routes.delete(key, owner);
    }
    const before = this.candidates(kind, key);
    const after = before.filter((candidate) => candidate.owner !== owner);
    if (after.length === before.length) return false;
    this.#set(kind, key, before, after);
    return true;
  }

  /** Has the routes stand here among the kinds that change. */
  noteRoutes(): void {
    this.#journalOf("routes");
  }

  #journalOf(kind: Kind): Map<string, JournalEntry> {
    let journal = this.#journal.get(kind);
    if (journal === undefined) {
      journal = new Map();
      this.#journal.set(kind, journal);
    }
    return journal;
  }

  #set<K extends Kind>(kind: K, key: string, before: Candidates<K>, after: Candidates<K>): void {
    const journal = this.#journalOf(kind);
    const entry = journal.get(key);
    if (entry === undefined) journal.set(key, { before, after });
    else entry.after = after;
    this.#place(kind, key, before, after);
  }

  #place<K extends Kind>(kind: K, key: string, before: Candidates<K>, after: Candidates<K>): void {
    for (const candidate of before) {
      if (!after.includes(candidate)) visitReferences(kind, candidate.object, this.#countDown);
    }
    for (const candidate of after) {
      if (!before.includes(candidate)) visitReferences(kind, candidate.object, this.#countUp);
    }
    if (after.length === 0) this.#table(kind).delete(key);
    else this.#table(kind).set(key, after);
  }

  #count(to: ReferenceTo, name: string, difference: number): void {
    const counts = this.#references.get(to);
    const count = (counts?.get(name) ?? 0) + difference;
    if (count === 0) counts?.delete(name);
    else counts?.set(name, count);
  }

  /** Starts a journal. */
  begin(): void {
    this.#journal = new Map();
    this.routes.begin();
  }

  /** What changed since `begin`: keys whose candidates are not what they were. */
  changes(): StateChanges {
    const objects: AnyChange[] = [];
    let routesAt: number | undefined;
    for (const kind of this.#journal.keys()) {
      if (kind === "routes") routesAt = objects.length;
      else for (const change of this.changesOf(kind)) objects.push(change as AnyChange);
    }
    return new StateChanges(objects, this.routes.changes(), routesAt ?? objects.length);
  }

  /** The changes of one kind. */
  changesOf<K extends ObjectKind>(kind: K): ObjectChange<K>[] {
    const changes: ObjectChange<K>[] = [];
    for (const [key, { before, after }] of this.#journal.get(kind) ?? []) {
      if (!sameCandidates(before, after)) changes.push({ kind, key, before, after } as ObjectChange<K>);
    }
    return changes;
  }

  /** Puts everything back to where it was at `begin`. */
  rollBack(): void {
    for (const [kind, journal] of this.#journal) {
      for (const [key, { before, after }] of journal) this.#place(kind, key, after, before);
    }
    this.#journal = new Map();
    this.routes.rollBack();
  }

  /** Forgets the journal: what is, stays. */
  keep(): void {
    this.#journal = new Map();
    this.routes.keep();
  }
}

function sameCandidates(a: Candidates, b: Candidates): boolean {
  if (a.length !== b.length) return false;
  return a.every((candidate, i) => {
    const other = b[i];
    return (
      other === candidate ||
      (other !== undefined &&
        other.owner === candidate.owner &&
        other.durable === candidate.durable &&
        sameValue(candidate.object, other.object))
    );
  });
}

/** Equality of JSON values; the order of an object's fields does not count, an absent field equals `undefined`. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  for (const key in left) if (!sameValue(left[key], right[key])) return false;
  for (const key in right) if (right[key] !== undefined && left[key] === undefined) return false;
  return !Array.isArray(a) || a.length === (b as unknown[]).length;
}
