// SPDX-License-Identifier: Apache-2.0
/** Kernel memory that a change needs. An estimate: what the kernel's allocators add differs between kernels. */
import type { RouteChanges } from "../routes/route_changes.ts";
import { NO_ROW } from "../routes/route_rows.ts";

/**
 * A route: a trie node of header, key and value in the allocator's next size, and about as many inner nodes
 * (kernel/bpf/lpm_trie.c).
 */
const ROUTE_BYTES = { 4: 2 * 64, 6: 2 * 96 } as const;

/** Bytes that changes of routes add, or give back (negative). Tables of fixed size are there from the start. */
export function memoryOf(changes: RouteChanges): number {
  let bytes = 0;
  for (let i = 0; i < changes.length; i++) {
    const family = changes.table.prefixes.family(changes.entry(i));
    bytes += (Number(changes.after(i) !== NO_ROW) - Number(changes.before(i) !== NO_ROW)) * ROUTE_BYTES[family];
  }
  return bytes;
}
