// SPDX-License-Identifier: Apache-2.0
/** The numbers by which kernel tables know objects. They are kept in the store: an adopted table keeps its meaning. */
import { WeirError } from "../../errors.ts";
import { WEIR_MAX_MIRRORS, WEIR_MAX_QOS_MAPS } from "../../layout/index.ts";
import type { Store, StoreWriter } from "../../store/index.ts";

/**
 * Numbers for the names of one kind, from `first` to `last`.
 *
 * A freed number is given out again only after all others, so that a flow entry that still holds it
 * cannot soon mean something else.
 */
export class IdSpace {
  readonly name: string;
  readonly #first: number;
  readonly #last: number;
  readonly #byName = new Map<string, number>();
  readonly #byId = new Map<number, string>();
  #next: number;

  constructor(name: string, first: number, last: number) {
    this.name = name;
    this.#first = first;
    this.#last = last;
    this.#next = first;
  }

  get(name: string): number | undefined {
    return this.#byName.get(name);
  }

  nameOf(id: number): string | undefined {
    return this.#byId.get(id);
  }

  get size(): number {
    return this.#byName.size;
  }

  names(): IterableIterator<string> {
    return this.#byName.keys();
  }

  /** The number of `name`, a new one when it has none. @throws WeirError `ETABLEFULL` */
  take(name: string): number {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    if (this.#byName.size > this.#last - this.#first) {
      throw new WeirError({
        code: "ETABLEFULL",
        operation: `add ${this.name} "${name}"`,
        reason: `the table holds ${this.#last - this.#first + 1} and is full`,
        hint: "delete others, or start the instance with a larger limit",
      });
    }
    while (this.#byId.has(this.#next)) this.#next = this.#next === this.#last ? this.#first : this.#next + 1;
    const id = this.#next;
    this.#next = id === this.#last ? this.#first : id + 1;
    this.set(name, id);
    return id;
  }

  /** Gives `name` the number `id`, as the store says. */
  set(name: string, id: number): void {
    this.#byName.set(name, id);
    this.#byId.set(id, name);
    if (id >= this.#next && id < this.#last) this.#next = id + 1;
  }

  free(name: string): void {
    const id = this.#byName.get(name);
    if (id === undefined) return;
    this.#byName.delete(name);
    this.#byId.delete(id);
  }
}

/** Kinds of objects with numbers. */
export const SPACES = ["interface", "nexthop", "vrf", "mirror", "qos"] as const;

/** A kind of objects with numbers. */
export type SpaceName = (typeof SPACES)[number];

const isSpace = (name: string): name is SpaceName => (SPACES as readonly string[]).includes(name);

/** Names that got numbers, and names that lost theirs. */
export interface IdChanges {
  readonly taken: readonly { readonly space: SpaceName; readonly name: string; readonly id: number }[];
  readonly freed: readonly { readonly space: SpaceName; readonly name: string }[];
}

/** All number spaces of an instance, with a journal for the transaction at hand. */
export class Ids {
  readonly interface: IdSpace;
  readonly nexthop: IdSpace;
  readonly vrf: IdSpace;
  readonly mirror: IdSpace = new IdSpace("mirror", 1, WEIR_MAX_MIRRORS - 1);
  readonly qos: IdSpace = new IdSpace("qos", 1, WEIR_MAX_QOS_MAPS - 1);
  readonly #listeners = new Set<(changes: IdChanges) => void>();
  #taken: { space: IdSpace; name: string; id: number }[] = [];
  #freed: { space: IdSpace; name: string; id: number }[] = [];

  /**
   * @param maxInterfaces elements of the map `interfaces`; element 0 is never used.
   * @param maxNexthops elements of the map `nexthops`; likewise.
   * @param maxVrfs elements of the map `vrfs`; likewise.
   */
  constructor(maxInterfaces: number, maxNexthops: number, maxVrfs: number) {
    this.interface = new IdSpace("interface", 1, maxInterfaces - 1);
    this.nexthop = new IdSpace("nexthop", 1, maxNexthops - 1);
    this.vrf = new IdSpace("vrf", 1, maxVrfs - 1);
  }

  /** Takes over what the store remembers. */
  restore(store: Store): void {
    for (const { space, name, id } of store.ids()) {
      if (isSpace(space)) this[space].set(name, id);
    }
  }

  /** All names, as if they were new. */
  all(): IdChanges {
    const taken = SPACES.flatMap((space) =>
      [...this[space].names()].map((name) => ({ space, name, id: this[space].get(name) ?? 0 })),
    );
    return { taken, freed: [] };
  }

  /** Like `IdSpace.take`, undone by `rollBack`. */
  take(spaceName: SpaceName, name: string): number {
    const space = this[spaceName];
    const known = space.get(name);
    if (known !== undefined) return known;
    const id = space.take(name);
    this.#taken.push({ space, name, id });
    return id;
  }

  /** Like `IdSpace.free`, undone by `rollBack`. */
  free(spaceName: SpaceName, name: string): void {
    const space = this[spaceName];
    const id = space.get(name);
    if (id === undefined) return;
    space.free(name);
    this.#freed.push({ space, name, id });
  }

  /** Calls `listener` with changes that are kept, until the result is disposed. */
  listen(listener: (changes: IdChanges) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Keeps the changes since `begin`, and begins anew. */
  keep(): void {
    if (this.changed) {
      const kept = this.#taken.filter(({ space, name, id }) => space.get(name) === id);
      const changes: IdChanges = {
        taken: kept.map(({ space, name, id }) => ({ space: space.name as SpaceName, name, id })),
        freed: this.#freed.map(({ space, name }) => ({ space: space.name as SpaceName, name })),
      };
      for (const listener of this.#listeners) listener(changes);
    }
    this.begin();
  }

  begin(): void {
    this.#taken = [];
    this.#freed = [];
  }

  /** True when there are changes since `begin`. */
  get changed(): boolean {
    return this.#taken.length > 0 || this.#freed.length > 0;
  }

  /** Writes the changes since `begin`. */
  writeTo(writer: StoreWriter): void {
    for (const { space, name } of this.#freed) writer.deleteId(space.name, name);
    for (const { space, name, id } of this.#taken) {
      if (space.get(name) === id) writer.putId({ space: space.name, name, id });
    }
  }

  rollBack(): void {
    for (const { space, name } of this.#taken) space.free(name);
    for (const { space, name, id } of this.#freed) space.set(name, id);
    this.begin();
  }
}
