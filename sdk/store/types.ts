// SPDX-License-Identifier: Apache-2.0
/** Where the desired state outlives the process: the interface that every store implements. */

/** One object of one owner, as it was put. */
export interface StoredObject {
  /** Plural name of the kind: `interfaces`. */
  readonly kind: string;
  /** Key within the kind: `red 02:00:00:00:00:01`. */
  readonly key: string;
  readonly owner: string;
  /** The object as JSON. */
  readonly json: string;
}

/** Routes of the state, packed: see `sdk/dataplane/routes/route_blocks.ts`. */
export interface StoredRouteBlock {
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** A numeric id that a kernel table knows an object by. Kept, so that an adopted table keeps its meaning. */
export interface StoredId {
  /** Of one table: `interface`, `nexthop`, `vrf`, `rule`. */
  readonly space: string;
  readonly name: string;
  readonly id: number;
}

/** The changes of one transaction. */
export interface StoreWriter {
  putObject(object: StoredObject): void;
  deleteObject(kind: string, key: string, owner: string): void;
  /** @param block its bytes are the store's from then on. */
  putRouteBlock(block: StoredRouteBlock): void;
  deleteRouteBlock(number: number): void;
  putId(id: StoredId): void;
  deleteId(space: string, name: string): void;
  /** `undefined` removes it. */
  setMeta(key: string, value: string | undefined): void;
}

/** A store of desired state. Every call is synchronous: a transaction is one turn of the event loop. */
export interface Store extends Disposable {
  /** For messages: `memory`, `/var/lib/weir/default/state.db`. */
  readonly name: string;
  /** All but routes. */
  objects(): Iterable<StoredObject>;
  routeBlocks(): Iterable<StoredRouteBlock>;
  ids(): Iterable<StoredId>;
  meta(key: string): string | undefined;
  /**
   * Runs `change`; what it wrote is kept as a whole, or not at all when it throws.
   * @throws what `change` throws; WeirError when the store cannot be written.
   */
  transaction<T>(change: (writer: StoreWriter) => T): T;
}
