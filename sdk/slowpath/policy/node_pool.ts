// SPDX-License-Identifier: Apache-2.0
/** The nodes of all bitmaps of a table, equal ones once. */

import type { TableImage } from "./table_image.ts";

/** Words of a node: 512 bits of a leaf, or 16 children. */
export const NODE_WORDS = 16;

/** Bytes of a node: a line of the processor's caches, and so aligned that it is one. */
const NODE_BYTES = NODE_WORDS * 4;

/** Finds nodes by their content: open addressing, offsets in the table. */
export class NodePool {
  readonly #image: TableImage;
  #slots = new Uint32Array(4096);
  #count = 0;

  constructor(image: TableImage) {
    this.#image = image;
  }

  /** Offset of the node with the sixteen words of `from` at `at`; 0 where all are 0. */
  intern(from: Uint32Array, at: number): number {
    const key = hash(from, at);
    if (key === 0 && isEmpty(from, at)) return 0;
    const mask = this.#slots.length - 1;
    const { words } = this.#image;
    let slot = mix(key) & mask;
    for (;;) {
      const offset = this.#slots[slot] ?? 0;
      if (offset === 0) break;
      if (equal(words, offset >> 2, from, at)) return offset;
      slot = (slot + 1) & mask;
    }
    const offset = this.#image.take(NODE_BYTES, NODE_BYTES);
    this.#image.words.set(from.subarray(at, at + NODE_WORDS), offset >> 2);
    this.#slots[slot] = offset;
    this.#count++;
    if (this.#count * 2 > this.#slots.length) this.#grow();
    return offset;
  }

  #grow(): void {
    const old = this.#slots;
    const slots = new Uint32Array(old.length * 2);
    const mask = slots.length - 1;
    const { words } = this.#image;
    for (const offset of old) {
      if (offset === 0) continue;
      let slot = mix(hash(words, offset >> 2)) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = offset;
    }
    this.#slots = slots;
  }
}

function hash(words: Uint32Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + NODE_WORDS; i++) value = (Math.imul(value, 0x01000193) ^ (words[i] ?? 0)) | 0;
  return value;
}

/** Spreads the high bits, which the multiplications reach, over the low ones, which select the slot. */
function mix(value: number): number {
  const spread = Math.imul(value ^ (value >>> 16), 0x45d9f3b);
  return (spread ^ (spread >>> 15)) >>> 0;
}

function isEmpty(words: Uint32Array, at: number): boolean {
  for (let i = at; i < at + NODE_WORDS; i++) if (words[i] !== 0) return false;
  return true;
}

function equal(a: Uint32Array, at: number, b: Uint32Array, from: number): boolean {
  for (let i = 0; i < NODE_WORDS; i++) if (a[at + i] !== b[from + i]) return false;
  return true;
}
