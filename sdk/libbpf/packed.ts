// SPDX-License-Identifier: Apache-2.0
/** A C struct in native memory that is filled field by field. */

import { runtime } from "#runtime";
import type { Address, NativeBuffer } from "../runtime/types.ts";

/** Zero-filled memory for one struct. Offsets are those of structs.ts. Keep it referenced during the call. */
export class Packed implements NativeBuffer {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  readonly address: Address;

  constructor(size: number) {
    const { bytes, view, address } = runtime.alloc(size);
    this.bytes = bytes;
    this.view = view;
    this.address = address;
  }

  /** An option struct of libbpf: its size stands in the first field. */
  static options(size: number): Packed {
    return new Packed(size).u64(0, size);
  }

  u32(offset: number, value: number): this {
    this.view.setUint32(offset, value, true);
    return this;
  }

  /** A `__u64`, a `size_t` or a pointer. */
  u64(offset: number, value: number | bigint): this {
    this.view.setBigUint64(offset, BigInt(value), true);
    return this;
  }

  getU32(offset: number): number {
    return this.view.getUint32(offset, true);
  }

  getU64(offset: number): bigint {
    return this.view.getBigUint64(offset, true);
  }

  /** A NUL-terminated string in a `char[size]`. */
  getText(offset: number, size: number): string {
    const text = this.bytes.subarray(offset, offset + size);
    const end = text.indexOf(0);
    return new TextDecoder().decode(end < 0 ? text : text.subarray(0, end));
  }
}
