// SPDX-License-Identifier: Apache-2.0
/** The routes of all owners as columns of numbers; objects are made of them only for who asks for some. */

import { labelFields, labelTag } from "../kernel/label_tag.ts";
import { type Route, splitKey } from "../schema/index.ts";
import { type Candidate, type Candidates, defaultPreference, INTERFACE_OWNER } from "../state/candidate.ts";
import { NameTable } from "./name_table.ts";
import { Numbers } from "./numbers.ts";
import { PackedPrefixes } from "./packed_prefixes.ts";
import { RouteChanges } from "./route_changes.ts";
import { RouteEntries } from "./route_entries.ts";
import { NOWHERE, RouteJournal } from "./route_journal.ts";
import { NO_ROW, type RouteFields, RouteRows, rankOf } from "./route_rows.ts";

const NONE: Candidates<"routes"> = [];

/** An entry is a key, VRF and prefix, with its chain of candidates. Changes are journalled from `begin` on. */
export class RouteTable {
  readonly rows = new RouteRows();
  readonly vrfs = new NameTable();
  readonly vias = new NameTable();
  readonly owners = new NameTable();
  readonly #entries = new RouteEntries(this.vrfs);
  /** Keys of the entries. */
  readonly prefixes = this.#entries.prefixes;
  /** Rows that name each VRF and each `via`, without those of interfaces. */
  readonly #references = { vrf: new Numbers(), via: new Numbers() };
  readonly #interfaceOwner: number;
  #size = 0;
  readonly #journal = new RouteJournal();

  constructor() {
    this.#interfaceOwner = this.owners.take(INTERFACE_OWNER);
    this.owners.use(this.#interfaceOwner);
  }

  /** Keys that have candidates. */
  get size(): number {
    return this.#size;
  }

  /** All keys that there were so far are below it; some may be free. */
  get entryLimit(): number {
    return this.#entries.limit;
  }

  /** First row of an entry; NO_ROW or less: it has none. */
  head(entry: number): number {
    return this.#entries.head(entry);
  }

  /** Entry of a key such as `red 10.97.0.0/16`; -1: there is none. */
  find(key: string): number {
    const [vrf, text] = splitKey(key);
    const number = this.vrfs.get(vrf);
    const prefix = number === undefined ? undefined : PackedPrefixes.of(number, text);
    return number === undefined || prefix === undefined ? -1 : this.lookUp(prefix, 0, number);
  }

  key(entry: number): string {
    return `${this.vrfs.name(this.prefixes.vrf(entry))} ${this.prefixes.text(entry)}`;
  }

  /** Whether a row was written by somebody: those of interfaces were not. */
  isWritten(row: number): boolean {
    return this.rows.owner(row) !== this.#interfaceOwner;
  }

  /** The object of a row of an entry. */
  object(entry: number, row: number): Route {
    const { rows, prefixes } = this;
    return {
      vrf: this.vrfs.name(prefixes.vrf(entry)),
      prefix: prefixes.text(entry),
      via: this.vias.name(rows.via(row)),
      ...labelFields(rows.tag(row)),
      ...(rows.isPreferenceStated(row) ? { preference: rows.preference(row) } : {}),
    };
  }

  candidates(key: string): Candidates<"routes"> {
    const entry = this.find(key);
    return entry < 0 ? NONE : this.chain(entry, this.head(entry));
  }

  /** The objects of the chain at `head`. */
  chain(entry: number, head: number): Candidates<"routes"> {
    const { rows } = this;
    const chain: Candidate<"routes">[] = [];
    for (let row = head; row > NO_ROW; row = rows.next(row)) {
      chain.push({
        owner: this.owners.name(rows.owner(row)),
        object: this.object(entry, row),
        preference: rows.preference(row),
        durable: rows.isDurable(row),
      });
    }
    return chain;
  }

  *entries(): Generator<[string, Candidates<"routes">]> {
    for (let entry = 0; entry < this.entryLimit; entry++) {
      const head = this.head(entry);
      if (head > NO_ROW) yield [this.key(entry), this.chain(entry, head)];
    }
  }

  /** The entries of a VRF. */
  *entriesOf(vrf: string): Generator<number> {
    const number = this.vrfs.get(vrf);
    for (let entry = 0; entry < this.entryLimit; entry++) {
      if (this.head(entry) > NO_ROW && this.prefixes.vrf(entry) === number) yield entry;
    }
  }

  /** The entries of which a candidate leads to one of the names. */
  *entriesVia(names: Iterable<string>): Generator<number> {
    const wanted = new Set([...names].map((name) => this.vias.get(name)));
    for (let entry = 0; entry < this.entryLimit; entry++) {
      for (let row = this.head(entry); row > NO_ROW; row = this.rows.next(row)) {
        if (!wanted.has(this.rows.via(row))) continue;
        yield entry;
        break;
      }
    }
  }

  referenceCount(to: "vrf" | "via", name: string): number {
    const number = (to === "vrf" ? this.vrfs : this.vias).get(name);
    return number === undefined ? 0 : this.#references[to].at(number);
  }

  /** Brings in one route whose form is valid. @returns false when its prefix is none. */
  put(owner: string, route: Route, durable: boolean): boolean {
    const vrf = this.vrfs.take(route.vrf);
    const prefix = PackedPrefixes.of(vrf, route.prefix);
    if (prefix === undefined) return false;
    const { preference = defaultPreference(owner) } = route;
    this.putFields(this.enter(prefix, 0, vrf), {
      owner: this.owners.take(owner),
      via: this.vias.take(route.via),
      tag: labelTag(route),
      rank: rankOf(preference, route.preference !== undefined, durable),
    });
    return true;
  }

  /** Takes an owner's route away; false when there is none. */
  delete(key: string, owner: string): boolean {
    const entry = this.find(key);
    const number = this.owners.get(owner);
    return entry >= 0 && number !== undefined && this.deleteOf(entry, number);
  }

  /** Room for so many keys more at once. */
  reserve(more: number): void {
    this.#entries.reserve(more);
  }

  /** Entry of a key that is to be: a new one, without candidates yet, where there is none. */
  enter(prefixes: PackedPrefixes, index: number, vrf: number): number {
    const known = this.lookUp(prefixes, index, vrf);
    if (known >= 0) return known;
    const entry = this.#entries.add(prefixes, index, vrf);
    this.#touch(entry);
    return entry;
  }

  /**
   * Puts a candidate that the store kept into the entry that it was in. Only for an empty table; `endRestore` follows.
   * @param prefixes its prefix is the first one.
   */
  restore(entry: number, prefixes: PackedPrefixes, vrf: number, fields: RouteFields): void {
    this.#entries.restore(entry, prefixes, vrf);
    this.putFields(entry, fields);
  }

  /** The entries between those that were restored are free. */
  endRestore(): void {
    this.#entries.endRestore();
  }

  /** Entry of a key; -1: there is none. */
  lookUp(prefixes: PackedPrefixes, index: number, vrf: number): number {
    return this.#entries.find(prefixes, index, vrf);
  }

  /** Notes that the put at `index` stands for an entry. @returns the put that does already; NOWHERE: none. */
  placeAt(entry: number, index: number): number {
    const at = this.#touch(entry);
    const before = this.#journal.put(at);
    if (before === NOWHERE) this.#journal.setPut(at, index);
    return before;
  }

  /** The put that stands for an entry; NOWHERE: none, or there is no such entry. */
  place(entry: number): number {
    const at = this.#journal.position(entry);
    return at === NOWHERE ? NOWHERE : this.#journal.put(at);
  }

  /** Puts an owner's candidate in the place of its older one. */
  putFields(entry: number, fields: RouteFields): void {
    const { rows } = this;
    const before = this.head(entry);
    if (before === NO_ROW || (rows.next(before) === NO_ROW && rows.owner(before) === fields.owner)) {
      this.#setHead(entry, this.#make(fields, NO_ROW));
      return;
    }
    const chain = this.#others(before, fields.owner);
    chain.push(fields);
    chain.sort((a, b) => (a.rank & 255) - (b.rank & 255) || (this.#name(a) < this.#name(b) ? -1 : 1));
    this.#setHead(entry, this.#link(chain));
  }

  /** Takes an owner's candidate away; false when there is none. */
  deleteOf(entry: number, owner: number): boolean {
    const head = this.head(entry);
    if (this.rows.ofOwner(head, owner) <= NO_ROW) return false;
    this.#setHead(entry, this.#link(this.#others(head, owner)));
    return true;
  }

  #name({ owner }: RouteFields): string {
    return this.owners.name(owner);
  }

  #others(head: number, owner: number): RouteFields[] {
    const others: RouteFields[] = [];
    for (let row = head; row !== NO_ROW; row = this.rows.next(row)) {
      if (this.rows.owner(row) !== owner) others.push(this.rows.fields(row));
    }
    return others;
  }

  #link(chain: readonly RouteFields[]): number {
    return chain.reduceRight((next, fields) => this.#make(fields, next), NO_ROW);
  }

  #make(fields: RouteFields, next: number): number {
    this.owners.use(fields.owner);
    this.vias.use(fields.via);
    return this.rows.make(fields, next);
  }

  #touch(entry: number): number {
    return this.#journal.note(entry, this.head(entry));
  }

  #setHead(entry: number, head: number): void {
    const at = this.#touch(entry);
    const current = this.head(entry);
    this.#count(entry, current, -1);
    this.#count(entry, head, 1);
    this.#entries.setHead(entry, head);
    this.#size += Number(head !== NO_ROW) - Number(current !== NO_ROW);
    // What the transaction made and replaces again is nobody's any more.
    if (current !== this.#journal.before(at)) this.#free(current);
  }

  #count(entry: number, head: number, difference: number): void {
    for (let row = head; row !== NO_ROW; row = this.rows.next(row)) {
      if (!this.isWritten(row)) continue;
      this.#references.via.add(this.rows.via(row), difference);
      this.#references.vrf.add(this.prefixes.vrf(entry), difference);
    }
  }

  #free(head: number): void {
    for (let row = head; row !== NO_ROW; ) {
      const next = this.rows.next(row);
      this.owners.release(this.rows.owner(row));
      this.vias.release(this.rows.via(row));
      this.rows.free(row);
      row = next;
    }
  }

  /** Starts a journal; what is, stays. */
  begin(): void {
    this.keep();
  }

  /** What changed since `begin`: what goes first, then what was put, in the order of the puts. */
  changes(): RouteChanges {
    const journal = this.#journal;
    const changes = new RouteChanges(this);
    for (const isPut of [false, true]) {
      for (let at = 0; at < journal.length; at++) {
        const entry = journal.entry(at);
        const [was, is] = [journal.before(at), this.head(entry)];
        if (was === is || (journal.put(at) !== NOWHERE) !== isPut) continue;
        if (!this.rows.isSameChain(was, is)) changes.push(entry, was, is);
      }
    }
    return changes;
  }

  /** What is, stays. */
  keep(): void {
    const journal = this.#journal;
    for (let at = 0; at < journal.length; at++) {
      if (journal.before(at) !== this.head(journal.entry(at))) this.#free(journal.before(at));
    }
    this.#end();
  }

  /** Puts everything back to where it was at `begin`. */
  rollBack(): void {
    const journal = this.#journal;
    for (let at = 0; at < journal.length; at++) {
      const entry = journal.entry(at);
      const [was, is] = [journal.before(at), this.head(entry)];
      if (was === is) continue;
      this.#count(entry, is, -1);
      this.#count(entry, was, 1);
      this.#entries.setHead(entry, was);
      this.#size += Number(was !== NO_ROW) - Number(is !== NO_ROW);
      this.#free(is);
    }
    this.#end();
  }

  #end(): void {
    const journal = this.#journal;
    for (let at = 0; at < journal.length; at++) {
      if (this.head(journal.entry(at)) === NO_ROW) this.#entries.remove(journal.entry(at));
    }
    for (const names of [this.vrfs, this.vias, this.owners]) names.sweep();
    journal.clear();
  }
}
