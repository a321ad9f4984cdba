// SPDX-License-Identifier: Apache-2.0
/** The desired state in memory: objects of several owners, the winner of each key, and a journal to undo. */
import { type ReferenceTo, type ReferenceVisitor, referenceTargets, visitReferences } from "./references.ts";
import { type Kind, type KindObjects, kinds } from "./schema/index.ts";

/** Owner of objects that name none. */
export const DEFAULT_OWNER = "state";
/** Owner of what an interface brings by itself: the host routes of its addresses. Nobody else may use it. */
export const INTERFACE_OWNER = "interface";

/** One owner's object under a key. */
export interface Candidate<K extends Kind = Kind> {
  readonly owner: string;
  readonly object: KindObjects[K];
  /** The lowest wins. */
  readonly preference: number;
}

/** All owners' objects under one key, the winner first. */
export type Candidates<K extends Kind = Kind> = readonly Candidate<K>[];

/** What a transaction did to one key. */
export interface ObjectChange<K extends Kind = Kind> {
  readonly kind: K;
  readonly key: string;
  readonly before: Candidates<K>;
  readonly after: Candidates<K>;
}

/** A change together with what it was for its kind. */
export type AnyChange = { [K in Kind]: ObjectChange<K> }[Kind];

const NONE: Candidates<never> = [];

/** Preference of a route that states none (contract, "Owners and order"). */
function preferenceOf(kind: Kind, owner: string, object: KindObjects[Kind]): number {
  if (kind !== "routes" || owner === INTERFACE_OWNER) return 0;
  return (object as KindObjects["routes"]).preference ?? (owner === DEFAULT_OWNER ? 10 : 20);
}

/** What a key held before the transaction, and what it holds now. */
interface JournalEntry {
  readonly before: Candidates;
  after: Candidates;
}

type Tables = { [K in Kind]: Map<string, Candidates<K>> };

/** The objects that should be. Changes are journalled from `begin` to `keep` or `rollBack`. */
export class DesiredState {
  readonly #tables = Object.fromEntries(kinds.map((kind) => [kind, new Map()])) as unknown as Tables;
  /** How many objects name each target. */
  readonly #references = new Map<ReferenceTo, Map<string, number>>(referenceTargets.map((to) => [to, new Map()]));
  readonly #countUp: ReferenceVisitor = (to, name) => this.#count(to, name, 1);
  readonly #countDown: ReferenceVisitor = (to, name) => this.#count(to, name, -1);
  #journal = new Map<Kind, Map<string, JournalEntry>>();

  /** The winner under `key`. */
  get<K extends Kind>(kind: K, key: string): KindObjects[K] | undefined {
    return this.#tables[kind].get(key)?.[0]?.object;
  }

  candidates<K extends Kind>(kind: K, key: string): Candidates<K> {
    return this.#tables[kind].get(key) ?? NONE;
  }

  entries<K extends Kind>(kind: K): IterableIterator<[string, Candidates<K>]> {
    return this.#tables[kind].entries();
  }

  /** The winners of a kind. */
  *objects<K extends Kind>(kind: K): Generator<KindObjects[K]> {
    for (const candidates of this.#tables[kind].values()) {
      const winner = candidates[0];
      if (winner !== undefined) yield winner.object;
    }
  }

  size(kind: Kind): number {
    return this.#tables[kind].size;
  }

  /** How many objects, of all owners, name the target. */
  referenceCount(to: ReferenceTo, name: string): number {
    return this.#references.get(to)?.get(name) ?? 0;
  }

  /** Puts an object; its owner's older one under the same key goes. */
  put<K extends Kind>(kind: K, key: string, owner: string, object: KindObjects[K]): void {
    this.putOver(kind, key, this.candidates(kind, key), owner, object);
  }

  /** `put` for a caller that has looked the candidates under the key up already. */
  putOver<K extends Kind>(kind: K, key: string, before: Candidates<K>, owner: string, object: KindObjects[K]): void {
    const candidate: Candidate<K> = { owner, object, preference: preferenceOf(kind, owner, object) };
    const after = before.length === 0 ? [candidate] : [...before.filter((other) => other.owner !== owner), candidate];
    if (after.length > 1) after.sort((a, b) => a.preference - b.preference || (a.owner < b.owner ? -1 : 1));
    this.#set(kind, key, before, after);
  }

  /** Takes an owner's object away; false when there is none. */
  delete(kind: Kind, key: string, owner: string): boolean {
    const before = this.candidates(kind, key);
    const after = before.filter((candidate) => candidate.owner !== owner);
    if (after.length === before.length) return false;
    this.#set(kind, key, before, after);
    return true;
  }

  #set<K extends Kind>(kind: K, key: string, before: Candidates<K>, after: Candidates<K>): void {
    let journal = this.#journal.get(kind);
    if (journal === undefined) {
      journal = new Map();
      this.#journal.set(kind, journal);
    }
    const entry = journal.get(key);
    if (entry === undefined) journal.set(key, { before, after });
    else entry.after = after;
    this.#place(kind, key, before, after);
  }

  #place<K extends Kind>(kind: K, key: string, before: Candidates<K>, after: Candidates<K>): void {
    for (const candidate of before) {
      if (isWritten(candidate) && !after.includes(candidate)) visitReferences(kind, candidate.object, this.#countDown);
    }
    for (const candidate of after) {
      if (isWritten(candidate) && !before.includes(candidate)) visitReferences(kind, candidate.object, this.#countUp);
    }
    if (after.length === 0) this.#tables[kind].delete(key);
    else this.#tables[kind].set(key, after);
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
  }

  /** What changed since `begin`: keys whose candidates are not what they were. */
  changes(): AnyChange[] {
    return [...this.#journal.keys()].flatMap((kind) => this.changesOf(kind) as AnyChange[]);
  }

  /** The changes of one kind. */
  changesOf<K extends Kind>(kind: K): ObjectChange<K>[] {
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
  }

  /** Forgets the journal: what is, stays. */
  keep(): void {
    this.#journal = new Map();
  }
}

/** False for what an interface brings by itself: it goes with the interface, whose own references count. */
export const isWritten = (candidate: Candidate): boolean => candidate.owner !== INTERFACE_OWNER;

function sameCandidates(a: Candidates, b: Candidates): boolean {
  if (a.length !== b.length) return false;
  return a.every((candidate, i) => {
    const other = b[i];
    return (
      other === candidate ||
      (other !== undefined && other.owner === candidate.owner && sameValue(candidate.object, other.object))
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
