// SPDX-License-Identifier: Apache-2.0
/**
 * What the façade uses of the SDK's `DataPlane` (contract §5). The class satisfies it as it is;
 * unit tests satisfy it with a data plane made of Maps.
 */

/** An object of the state document, as a reader sees it: its own fields, its owner, its live status. */
export type StateObject = Readonly<Record<string, unknown>>;

/** One line of a difference between what is and what is asked for. */
export interface Change {
  /** `add` prints as `+`, `update` as `~`, `remove` as `-`. */
  readonly action: "add" | "update" | "remove";
  /** The object's kind in the singular: `route`, `interface`. */
  readonly kind: string;
  /** The object's key as people write it: `red 10.97.0.2/32`, `h0`. */
  readonly key: string;
}

/** The difference, and what it costs. */
export interface Plan {
  readonly changes: readonly Change[];
  /** Kernel memory that the change adds (or gives back, negative), in bytes. */
  readonly memoryBytes: number;
  /** Established flows that would be decided again. */
  readonly flows: number;
}

/** A table of objects of one kind. */
export interface ObjectTable {
  get(key: string | StateObject): StateObject | undefined;
  entries(): Iterable<StateObject> | AsyncIterable<StateObject>;
}

/** Puts and deletes that become real together or not at all. */
export interface StateTransaction {
  put(kind: string, ...objects: StateObject[]): unknown;
  delete(kind: string, ...keys: (string | StateObject)[]): unknown;
  commit(o?: { readonly ifRevision?: number }): Promise<{
    readonly revision: number;
    readonly changes: readonly Change[];
  }>;
}

/** Packets and bytes that one interface dropped for one reason. */
export interface DropCounter {
  readonly interface: string;
  readonly reason: string;
  readonly packets: number;
  readonly bytes: number;
}

/** The part of `DataPlane` that the façade serves. */
export interface FacadeDataPlane {
  readonly revision: number;
  state(o?: { readonly owner?: string }): StateObject;
  apply(state: unknown, o?: { readonly owner?: string; readonly ifRevision?: number }): Promise<readonly Change[]>;
  plan(state: unknown, o?: { readonly owner?: string }): Promise<Plan>;
  transaction(o?: { readonly owner?: string }): StateTransaction;
  readonly tables: Readonly<Record<string, ObjectTable>>;
  readonly flows: {
    entries(selector?: FlowSelector): Iterable<StateObject> | AsyncIterable<StateObject>;
    delete(selector: FlowSelector): number | Promise<number>;
  };
  drops(): readonly DropCounter[];
  usage(): unknown;
}

/** Which flows: every field given must match. Addresses are addresses or prefixes. */
export interface FlowSelector {
  readonly vrf?: string;
  readonly proto?: string;
  readonly src?: string;
  readonly dst?: string;
  readonly sport?: number;
  readonly dport?: number;
}
