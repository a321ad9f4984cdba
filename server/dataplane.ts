// SPDX-License-Identifier: Apache-2.0
/**
 * What the façade uses of the SDK's `DataPlane` (contract §5). The class satisfies it as it is;
 * unit tests satisfy it with a data plane made of Maps.
 */

import type {
  Change,
  DataPlaneEvent,
  DropCount,
  EventKind,
  EventOptions,
  FlowSelector,
  PacketFields,
  Plan,
  Trace,
} from "../sdk/index.ts";

export type {
  Change,
  DataPlaneEvent,
  EventKind,
  FlowSelector,
  PacketFields,
  Plan,
  Trace,
  TraceStep,
} from "../sdk/index.ts";

/** An object of the state document, as a reader sees it: its own fields, its owner, its live status. */
export type StateObject = Readonly<Record<string, unknown>>;

/** Packets and bytes that one interface dropped for one reason. */
export type DropCounter = Omit<DropCount, "reason"> & { readonly reason: string };

/** A table of objects of one kind. */
export interface ObjectTable {
  get(key: string | object): StateObject | undefined;
  entries(): Iterable<StateObject>;
}

/** Puts and deletes that become real together or not at all. */
export interface StateTransaction {
  put(kind: string, ...objects: readonly object[]): unknown;
  delete(kind: string, ...keys: readonly (string | object)[]): unknown;
  commit(o?: { readonly ifRevision?: number | undefined }): Promise<{
    readonly revision: number;
    readonly changes: readonly Change[];
  }>;
}

/** Whose objects, and what revision the writer has seen. */
export interface WriteOptions {
  readonly owner?: string | undefined;
  readonly ifRevision?: number | undefined;
}

/** The part of `DataPlane` that the façade serves. */
export interface FacadeDataPlane {
  readonly revision: number;
  state(o?: { readonly owner?: string | undefined }): object;
  apply(state: unknown, o?: WriteOptions): Promise<readonly Change[]>;
  plan(state: unknown, o?: WriteOptions): Promise<Plan>;
  transaction(o?: { readonly owner?: string | undefined }): StateTransaction;
  readonly tables: Readonly<Record<string, ObjectTable>>;
  readonly flows: {
    entries(selector?: FlowSelector): Iterable<object>;
    delete(selector: FlowSelector): number;
  };
  drops(): readonly DropCounter[];
  events(kinds: readonly EventKind[], o?: EventOptions): AsyncIterable<DataPlaneEvent>;
  trace(interfaceName: string, packet: Uint8Array | PacketFields): Trace;
  usage(): object;
}
