// SPDX-License-Identifier: Apache-2.0
/** Bytes for the kernel's tables. */

import type { BpfMap, Mapping } from "../../sdk/libbpf/index.ts";

export function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

export function u32s(...values: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A mapped array of structs. */
export class Table {
  readonly mapping: Mapping;
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(map: BpfMap) {
    this.mapping = map.mmap();
    this.bytes = new Uint8Array(this.mapping.view);
    this.view = new DataView(this.mapping.view);
  }
}
