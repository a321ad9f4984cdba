// SPDX-License-Identifier: Apache-2.0
/** Prefixes of VRFs as numbers, 24 bytes each: a million of them is no million of objects. */
import { type Family, formatPrefix, type Prefix, prefixWords } from "../../address.ts";

/** Numbers of one prefix: four words of the address in the mapped form, the VRF, the length of 128 bits. */
const STRIDE = 6;
const VRF = 4;
const LENGTH = 5;

/** Third word of a mapped IPv4 address; the two before it are 0 (RFC 4291 section 2.5.5.2). */
const MAPPED = 0xffff;
/** Bits before an IPv4 address in the mapped form. */
export const MAPPED_BITS = 96;

const parsed = new Uint32Array(5);

/** A list of prefixes that grows. Whose numbers the VRFs' are is the owner's affair. */
export class PackedPrefixes {
  #words: Uint32Array;
  #length = 0;

  /** @param capacity how many there is room for before it grows. */
  constructor(capacity = 4) {
    this.#words = new Uint32Array(STRIDE * Math.max(capacity, 1));
  }

  get length(): number {
    return this.#length;
  }

  /** A list with one prefix; `undefined`: the text is none. Bits behind the length are cleared. */
  static of(vrf: number, text: string): PackedPrefixes | undefined {
    const prefixes = new PackedPrefixes(1);
    if (!prefixes.pushText(vrf, text)) return undefined;
    prefixes.clearHostBits(0);
    return prefixes;
  }

  /** Adds one, as written; false when the text is no prefix. */
  pushText(vrf: number, text: string): boolean {
    if (!prefixWords(text, parsed)) return false;
    const base = this.#grow();
    for (let i = 0; i < 4; i++) this.#words[base + i] = parsed[i] ?? 0;
    this.#words[base + VRF] = vrf;
    this.#words[base + LENGTH] = parsed[4] ?? 0;
    return true;
  }

  /** Adds one of another list, in a VRF of this one. */
  push(from: PackedPrefixes, index: number, vrf: number): void {
    this.copy(this.pushEmpty(), from, index, vrf);
  }

  /** Adds one that is to be overwritten. @returns its position */
  pushEmpty(): number {
    this.#grow();
    return this.#length - 1;
  }

  /** Overwrites one by one of another list. */
  copy(index: number, from: PackedPrefixes, source: number, vrf: number): void {
    const to = this.#words;
    const words = from.#words;
    const base = STRIDE * index;
    const at = STRIDE * source;
    to[base] = words[at] ?? 0;
    to[base + 1] = words[at + 1] ?? 0;
    to[base + 2] = words[at + 2] ?? 0;
    to[base + 3] = words[at + 3] ?? 0;
    to[base + VRF] = vrf;
    to[base + LENGTH] = words[at + LENGTH] ?? 0;
  }

  /** Overwrites one by the prefix of an address. @param bytes 16, mapped. @param length of the 128 bits. */
  setAddress(index: number, vrf: number, bytes: Uint8Array, length: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const base = STRIDE * index;
    for (let i = 0; i < 4; i++) this.#words[base + i] = view.getUint32(4 * i);
    this.#words[base + VRF] = vrf;
    this.#words[base + LENGTH] = length;
    this.clearHostBits(index);
  }

  #grow(): number {
    const base = STRIDE * this.#length;
    if (base === this.#words.length) {
      const larger = new Uint32Array(2 * base);
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#length++;
    return base;
  }

  /** Clears the bits behind the length; true when there were any. */
  clearHostBits(index: number): boolean {
    const base = STRIDE * index;
    const length = this.bits(index);
    let found = false;
    for (let i = 0; i < 4; i++) {
      const kept = Math.min(Math.max(length - 32 * i, 0), 32);
      const mask = kept === 0 ? 0 : -1 << (32 - kept);
      const word = this.#words[base + i] ?? 0;
      if ((word & ~mask) === 0) continue;
      found = true;
      this.#words[base + i] = word & mask;
    }
    return found;
  }

  vrf(index: number): number {
    return this.#words[STRIDE * index + VRF] ?? 0;
  }

  /** Length in the 128 bits of the mapped form. */
  bits(index: number): number {
    return this.#words[STRIDE * index + LENGTH] ?? 0;
  }

  family(index: number): Family {
    const base = STRIDE * index;
    const words = this.#words;
    return words[base] === 0 && words[base + 1] === 0 && words[base + 2] === MAPPED ? 4 : 6;
  }

  /** Length in the bits of its own family. */
  prefixLength(index: number): number {
    return this.family(index) === 4 ? this.bits(index) - MAPPED_BITS : this.bits(index);
  }

  /** A word of the address, 0 the highest. An IPv4 address is word 3. */
  word(index: number, which: number): number {
    return this.#words[STRIDE * index + which] ?? 0;
  }

  /** Overwrites the address, of 4 or 16 bytes in network order at `offset`, and the length of 128 bits. */
  setWords(index: number, view: DataView, offset: number, family: Family, bits: number): void {
    const base = STRIDE * index;
    if (family === 6) {
      for (let i = 0; i < 4; i++) this.#words[base + i] = view.getUint32(offset + 4 * i);
    } else {
      this.#words[base] = 0;
      this.#words[base + 1] = 0;
      this.#words[base + 2] = MAPPED;
      this.#words[base + 3] = view.getUint32(offset);
    }
    this.#words[base + LENGTH] = bits;
  }

  /** Writes the 16 bytes of the address at `offset`. */
  writeAddress(index: number, view: DataView, offset: number): void {
    for (let i = 0; i < 4; i++) view.setUint32(offset + 4 * i, this.word(index, i));
  }

  prefix(index: number): Prefix {
    const bytes = new Uint8Array(16);
    this.writeAddress(index, new DataView(bytes.buffer), 0);
    return { family: this.family(index), bytes, length: this.prefixLength(index) };
  }

  text(index: number): string {
    if (this.family(index) === 6) return formatPrefix(this.prefix(index));
    const address = this.word(index, 3);
    const [a, b, c, d] = [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255];
    return `${a}.${b}.${c}.${d}/${this.bits(index) - MAPPED_BITS}`;
  }

  /** True when the one at `index` is that of another list, if that were in the VRF `vrf`. */
  equals(index: number, other: PackedPrefixes, at: number, vrf: number): boolean {
    const [mine, theirs] = [this.#words, other.#words];
    const [base, from] = [STRIDE * index, STRIDE * at];
    return (
      mine[base + 3] === theirs[from + 3] &&
      mine[base + VRF] === vrf &&
      mine[base + LENGTH] === theirs[from + LENGTH] &&
      mine[base + 2] === theirs[from + 2] &&
      mine[base + 1] === theirs[from + 1] &&
      mine[base] === theirs[from]
    );
  }

  /** A hash of the one at `index`, if it were in the VRF `vrf`. */
  hash(index: number, vrf: number): number {
    const words = this.#words;
    const base = STRIDE * index;
    let hash = Math.imul((words[base] ?? 0) ^ ((words[base + LENGTH] ?? 0) << 24), 0x9e3779b1);
    hash = mix(hash ^ (words[base + 1] ?? 0));
    hash = mix(hash ^ (words[base + 2] ?? 0) ^ vrf);
    return mix(hash ^ (words[base + 3] ?? 0)) >>> 0;
  }
}

/** A multiply and a shift, so that high bits reach the low ones that choose a slot. */
function mix(hash: number): number {
  const product = Math.imul(hash, 0x85ebca6b);
  return product ^ (product >>> 15);
}
