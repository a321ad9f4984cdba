// SPDX-License-Identifier: Apache-2.0
/** Kernel memory that a change needs. An estimate: what the kernel's allocators add differs between kernels. */
import type { AnyChange } from "./desired.ts";

/**
 * A route: a trie node of header, key and value in the allocator's next size, and about as many inner nodes
 * (kernel/bpf/lpm_trie.c).
 */
const ROUTE_BYTES = { 4: 2 * 64, 6: 2 * 96 } as const;

/** Bytes that `changes` add, or give back (negative). Tables of fixed size are there from the start. */
export function memoryOf(changes: readonly AnyChange[]): number {
  let bytes = 0;
  for (const { kind, key, before, after } of changes) {
    if (kind !== "routes") continue;
    const family = key.includes(":", key.indexOf(" ")) ? 6 : 4;
    bytes += (Math.min(after.length, 1) - Math.min(before.length, 1)) * ROUTE_BYTES[family];
  }
  return bytes;
}
