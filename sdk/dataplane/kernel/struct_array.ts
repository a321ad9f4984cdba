// SPDX-License-Identifier: Apache-2.0
import type { Undo } from "../state/undo.ts";

/** An mmapped array map of structs: written in place, without system calls. */
export class StructArray {
  readonly view: DataView<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly size: number;
  readonly length: number;

  /** @param memory the mapping of the map; the kernel rounds elements up to 8 bytes, as `size` is already. */
  constructor(memory: ArrayBuffer, size: number, length: number) {
    this.view = new DataView(memory);
    this.bytes = new Uint8Array(memory);
    this.size = size;
    this.length = length;
  }

  /** Position of an element's first byte. */
  at(index: number): number {
    if (index < 0 || index >= this.length) throw new RangeError(`Cannot reach element ${index} of ${this.length}`);
    return index * this.size;
  }

  /** Replaces an element. */
  write(index: number, element: Uint8Array, undo: Undo): void {
    const base = this.at(index);
    const before = this.bytes.slice(base, base + this.size);
    undo.push(() => this.bytes.set(before, base));
    this.bytes.set(element, base);
  }

  /** Whether an element is all zeros. */
  isClear(index: number): boolean {
    const base = this.at(index);
    for (let i = base; i < base + this.size; i++) if (this.bytes[i] !== 0) return false;
    return true;
  }

  /** Fills an element with zeros: it is no more. */
  clear(index: number, undo: Undo): void {
    this.write(index, new Uint8Array(this.size), undo);
  }
}
