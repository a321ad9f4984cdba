// SPDX-License-Identifier: Apache-2.0
/** The bytes of a table while it is built: grows up to the room that the workers have for it. */

import { WeirError } from "../../errors.ts";

const FIRST_BYTES = 64 * 1024;

/** A table under construction. Offsets are bytes from its first byte. */
export class TableImage {
  readonly #what: string;
  readonly #hint: string;
  readonly #limit: number;
  #words = new Uint32Array(FIRST_BYTES / 4);
  #view = new DataView(this.#words.buffer);
  #used = 0;

  /**
   * @param what is named where it does not fit
   * @param limit bytes
   */
  constructor(what: string, limit: number, hint: string) {
    this.#what = what;
    this.#limit = limit;
    this.#hint = hint;
  }

  /**
   * Takes zeroed room.
   * @param alignment power of two; the table itself begins at a multiple of 64
   * @returns its offset
   * @throws WeirError `ENOSPC` naming the table
   */
  take(bytes: number, alignment = 8): number {
    const at = Math.ceil(this.#used / alignment) * alignment;
    const end = at + Math.ceil(bytes / 4) * 4;
    if (end > this.#limit) {
      throw new WeirError({
        code: "ENOSPC",
        operation: `compile the ${this.#what}`,
        reason: `table "${this.#what}" would take more than the ${this.#limit} bytes that there is room for`,
        hint: this.#hint,
      });
    }
    if (end > this.#words.byteLength) {
      const larger = new Uint32Array(Math.max(end, this.#words.byteLength * 2) / 4);
      larger.set(this.#words);
      this.#words = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#used = end;
    return at;
  }

  /** Words of the whole table; another array after `take`. */
  get words(): Uint32Array {
    return this.#words;
  }

  /** For the codecs of the structs; another one after `take`. */
  get view(): DataView {
    return this.#view;
  }

  /** Bytes taken. */
  get size(): number {
    return this.#used;
  }

  /** A copy of what was taken. */
  bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#words.buffer.slice(0, this.#used) as ArrayBuffer);
  }
}
