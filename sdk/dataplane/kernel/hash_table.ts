// SPDX-License-Identifier: Apache-2.0
import { WeirError } from "../../errors.ts";
import type { BpfMap } from "../../libbpf/index.ts";
import { APPLY_STATE } from "../schema/index.ts";
import type { Undo } from "../state/undo.ts";

/** A hash map written entry by entry; every change notes how to take it back. */
export class HashTable {
  readonly #map: BpfMap;
  readonly #before: Uint8Array<ArrayBuffer>;

  constructor(map: BpfMap) {
    this.#map = map;
    this.#before = new Uint8Array(new ArrayBuffer(map.valueSize));
  }

  /** @throws WeirError `ETABLEFULL` */
  put(key: Uint8Array, value: Uint8Array, undo: Undo): void {
    this.#remember(key, undo);
    this.#refuseFull(() => this.#map.update(key, value));
  }

  /** Writes many entries; the caller knows how to take them back. @throws WeirError `ETABLEFULL` */
  putBatch(entries: readonly (readonly [key: Uint8Array, value: Uint8Array])[]): void {
    const { keySize, valueSize } = this.#map;
    const keys = new Uint8Array(new ArrayBuffer(entries.length * keySize));
    const values = new Uint8Array(new ArrayBuffer(entries.length * valueSize));
    for (const [i, [key, value]] of entries.entries()) {
      keys.set(key, i * keySize);
      values.set(value, i * valueSize);
    }
    this.#refuseFull(() => this.#map.updateBatch(keys, values, entries.length));
  }

  #refuseFull(write: () => void): void {
    try {
      write();
    } catch (error) {
      if (!(error instanceof WeirError) || error.code !== "E2BIG") throw error;
      throw new WeirError({
        code: "ETABLEFULL",
        operation: APPLY_STATE,
        reason: `the table "${this.#map.name}" holds ${this.#map.maxEntries} and is full`,
        hint: "delete others, or start the instance with a larger node.limits.nexthops",
        cause: error,
      });
    }
  }

  delete(key: Uint8Array, undo: Undo): void {
    if (this.#remember(key, undo)) this.#map.delete(key);
  }

  #remember(key: Uint8Array, undo: Undo): boolean {
    const known = this.#map.lookup(key, this.#before);
    const before = known ? this.#before.slice() : undefined;
    const own = key.slice();
    undo.push(() => {
      if (before === undefined) this.#map.delete(own);
      else this.#map.update(own, before);
    });
    return known;
  }

  /** Copies of all keys. */
  keys(): Uint8Array[] {
    const keys: Uint8Array[] = [];
    for (const { key } of this.#map.entries()) keys.push(key.slice());
    return keys;
  }
}
