// SPDX-License-Identifier: Apache-2.0
import type { Store, StoredId, StoredObject, StoredRouteBlock, StoreWriter } from "./types.ts";

// Keys have no control characters, so the unit separator cannot appear in one.
const SEPARATOR = "\u001f";

/** A store that ends with the process: `store: false`. */
export class MemoryStore implements Store {
  readonly name = "memory";
  readonly #objects = new Map<string, StoredObject>();
  readonly #routeBlocks = new Map<number, StoredRouteBlock>();
  readonly #ids = new Map<string, StoredId>();
  readonly #meta = new Map<string, string>();

  objects(): Iterable<StoredObject> {
    return this.#objects.values();
  }

  routeBlocks(): Iterable<StoredRouteBlock> {
    return this.#routeBlocks.values();
  }

  ids(): Iterable<StoredId> {
    return this.#ids.values();
  }

  meta(key: string): string | undefined {
    return this.#meta.get(key);
  }

  transaction<T>(change: (writer: StoreWriter) => T): T {
    const undo: (() => void)[] = [];
    const set = <K, V>(map: Map<K, V>, key: K, value: V | undefined): void => {
      const before = map.get(key);
      undo.push(() => {
        if (before === undefined) map.delete(key);
        else map.set(key, before);
      });
      if (value === undefined) map.delete(key);
      else map.set(key, value);
    };
    const objectKey = (kind: string, key: string, owner: string) => [kind, key, owner].join(SEPARATOR);
    try {
      return change({
        putObject: (object) => set(this.#objects, objectKey(object.kind, object.key, object.owner), object),
        deleteObject: (kind, key, owner) => set(this.#objects, objectKey(kind, key, owner), undefined),
        putRouteBlock: (block) => set(this.#routeBlocks, block.number, block),
        deleteRouteBlock: (number) => set(this.#routeBlocks, number, undefined),
        putId: (id) => set(this.#ids, [id.space, id.name].join(SEPARATOR), id),
        deleteId: (space, name) => set(this.#ids, [space, name].join(SEPARATOR), undefined),
        setMeta: (key, value) => set(this.#meta, key, value),
      });
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    }
  }

  [Symbol.dispose](): void {}
}
