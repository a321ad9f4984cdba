// SPDX-License-Identifier: Apache-2.0
/** What the slow path's module must not have, for its packet path to be unable to allocate. */

/** The only thing that it may import: its memory, whose size the SDK sets. */
const MEMORY = /^\(import "env" "memory" \(memory \$\S+ \d+ \d+ shared\)\)$/;
/** AssemblyScript's runtime and allocator: their functions may be inlined, but their globals stay. */
const RUNTIME = /~lib\/rt\/\S*|\b__(?:new|renew|alloc|realloc|free|pin|unpin|collect|visit)\b/;

/** Why the module, in WebAssembly's text format, could allocate; `undefined` if it cannot. */
export function waysToAllocate(text: string): string | undefined {
  const imports = text.split("\n").map((line) => line.trim());
  const foreign = imports.find((line) => line.startsWith("(import ") && !MEMORY.test(line));
  if (foreign !== undefined) return `it imports more than its memory: ${foreign}`;
  const runtime = RUNTIME.exec(text);
  if (runtime !== null) return `it has a part of the allocating runtime (${runtime[0]})`;
  return /\bmemory\.grow\b/.test(text) ? "it makes its memory grow (memory.grow)" : undefined;
}
