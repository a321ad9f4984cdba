// SPDX-License-Identifier: Apache-2.0
import type { BpfMap } from "../../libbpf/index.ts";
import type { Undo } from "../undo.ts";

/** A small hash map written entry by entry; every change notes how to take it back. */
export class HashTable {
  readonly #map: BpfMap;
  readonly #before: Uint8Array<ArrayBuffer>;

  constructor(map: BpfMap) {
    this.#map = map;
    this.#before = new Uint8Array(new ArrayBuffer(map.valueSize));
  }

  put(key: Uint8Array, value: Uint8Array, undo: Undo): void {
    this.#remember(key, undo);
    this.#map.update(key, value);
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
