// SPDX-License-Identifier: Apache-2.0
/** Arrays as memory: BPF_F_MMAPABLE maps, also mapped over pages of a WebAssembly memory. */

import { runtime } from "#runtime";
import { WeirError } from "../errors.ts";
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  mmap,
  munmap,
  PROT_READ,
  PROT_WRITE,
  pageSize,
} from "../runtime/libc.ts";
import { type Address, NULL } from "../runtime/types.ts";
import type { BpfMap } from "./map.ts";
import { BPF_F_MMAPABLE } from "./names.ts";

/** A map's values in memory. Disposing unmaps them: views must not be used after that. */
export class Mapping implements Disposable {
  readonly address: Address;
  /** Whole pages. */
  readonly byteLength: number;
  /** The mapped memory. */
  readonly view: ArrayBuffer;
  readonly #fixed: boolean;
  #mapped = true;

  constructor(address: Address, byteLength: number, fixed: boolean) {
    this.address = address;
    this.byteLength = byteLength;
    this.view = runtime.view(address, byteLength);
    this.#fixed = fixed;
  }

  [Symbol.dispose](): void {
    if (!this.#mapped) return;
    this.#mapped = false;
    if (!this.#fixed) {
      munmap(this.address, this.byteLength);
      return;
    }
    // The pages belong to somebody's memory: a hole there would be handed out to others.
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    mmap(this.byteLength, PROT_READ | PROT_WRITE, flags, -1, 0, this.address);
  }
}

/** Bytes of the mapping of `map`: whole pages. */
export function mappingBytes(map: { valueStride: number; maxEntries: number }): number {
  return Math.ceil((map.valueStride * map.maxEntries) / pageSize) * pageSize;
}

/** See {@link BpfMap.mmap}. */
export function mapMemory(map: BpfMap, o: { at?: Address; readOnly?: boolean }): Mapping {
  const operation = `map "${map.name}" into memory`;
  if ((map.flags & BPF_F_MMAPABLE) === 0) {
    const reason = "it was made without BPF_F_MMAPABLE";
    throw new WeirError({ code: "EINVAL", operation, reason, hint: "only arrays can have that flag" });
  }
  const at = o.at ?? NULL;
  if (at % pageSize !== 0) {
    throw new WeirError({ code: "EINVAL", operation, reason: `address ${at} is not a multiple of ${pageSize}` });
  }
  const fixed = at !== NULL;
  const protection = o.readOnly === true ? PROT_READ : PROT_READ | PROT_WRITE;
  const byteLength = mappingBytes(map);
  const address = mmap(byteLength, protection, fixed ? MAP_SHARED | MAP_FIXED : MAP_SHARED, map.fd, 0, at);
  return new Mapping(address, byteLength, fixed);
}
