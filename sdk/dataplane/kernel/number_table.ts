// SPDX-License-Identifier: Apache-2.0
import type { Undo } from "../state/undo.ts";
import type { HashTable } from "./hash_table.ts";
import { encodeU32 } from "./records.ts";
import type { StructArray } from "./struct_array.ts";

/** A table by label or VNI: low numbers are in an array, which the kernel reads without hashing, the others in a hash map. */
export class NumberTable {
  readonly #low: StructArray;
  readonly #high: HashTable;

  constructor(low: StructArray, high: HashTable) {
    this.#low = low;
    this.#high = high;
  }

  /** @param value not all zero. @throws WeirError `ETABLEFULL` */
  put(number: number, value: Uint8Array, undo: Undo): void {
    if (number < this.#low.length) this.#low.write(number, value, undo);
    else this.#high.put(encodeU32(number), value, undo);
  }

  delete(number: number, undo: Undo): void {
    if (number < this.#low.length) this.#low.clear(number, undo);
    else this.#high.delete(encodeU32(number), undo);
  }

  /** Removes what is none of `wanted`. */
  retain(wanted: ReadonlySet<number>, undo: Undo): void {
    for (let number = 0; number < this.#low.length; number++) {
      if (!wanted.has(number) && !this.#low.isClear(number)) this.#low.clear(number, undo);
    }
    for (const key of this.#high.keys()) {
      const number = new DataView(key.buffer, key.byteOffset).getUint32(0, true);
      if (!wanted.has(number)) this.delete(number, undo);
    }
  }
}
