// SPDX-License-Identifier: Apache-2.0
/** The kernel's own tables (BPF arrays that can be mapped) inside a worker's memory. */

import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  mmap,
  PROT_READ,
  PROT_WRITE,
  pageSize,
} from "../runtime/libc.ts";
import type { Address } from "../runtime/types.ts";

/** What is needed of a `BpfMap` of type array with `BPF_F_MMAPABLE`. */
export interface MappableTable {
  readonly fd: number;
  readonly maxEntries: number;
  readonly valueSize: number;
}

/** A mapped table. Disposing puts ordinary memory in its place: a hole would crash the runtime. */
export class TableMapping implements Disposable {
  readonly #address: Address;
  readonly #byteLength: number;
  #mapped = true;

  /**
   * Maps the whole table at `offset`, a multiple of the page size.
   * @param base native address of the memory's first byte
   * @param access `read`: a stray store of WebAssembly traps instead of changing the kernel's table
   */
  constructor(table: MappableTable, base: Address, offset: number, access: "read" | "write") {
    this.#address = (base + offset) as Address;
    this.#byteLength = Math.ceil((table.maxEntries * table.valueSize) / pageSize) * pageSize;
    const protection = access === "read" ? PROT_READ : PROT_READ | PROT_WRITE;
    mmap(this.#byteLength, protection, MAP_SHARED | MAP_FIXED, table.fd, 0, this.#address);
  }

  [Symbol.dispose](): void {
    if (!this.#mapped) return;
    this.#mapped = false;
    const flags = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS;
    mmap(this.#byteLength, PROT_READ | PROT_WRITE, flags, -1, 0, this.#address);
  }
}
