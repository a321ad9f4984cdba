// SPDX-License-Identifier: Apache-2.0
/** Many elements of a map in one system call (Linux 5.6), one by one for map types that cannot. */

import { runtime } from "#runtime";
import { WeirError } from "../errors.ts";
import { EINVAL, ENOENT, ENOSPC, ENOTSUPP, EOPNOTSUPP, errnoError } from "../runtime/errno.ts";
import { type Address, type NativeBuffer, NULL } from "../runtime/types.ts";
import type { BpfMap, MapBytes } from "./map.ts";
import { Packed } from "./packed.ts";
import { mapBatchOpts } from "./structs.ts";
import { libbpf } from "./symbols.ts";

const unsupported = new Set([-ENOTSUPP, -EOPNOTSUPP, -EINVAL]);

function native(bytes: MapBytes, byteLength: number, what: string, map: BpfMap): NativeBuffer {
  const given = "address" in bytes ? bytes.bytes.byteLength : bytes.byteLength;
  if (given < byteLength) {
    const reason = `${what} of ${given} bytes were given, ${byteLength} are needed`;
    throw new WeirError({ code: "EINVAL", operation: `use map "${map.name}"`, reason });
  }
  if ("address" in bytes) return bytes;
  const copy = runtime.alloc(byteLength);
  copy.bytes.set(bytes.subarray(0, byteLength));
  return copy;
}

function slice(buffer: NativeBuffer, index: number, stride: number): Uint8Array {
  return buffer.bytes.subarray(index * stride, (index + 1) * stride);
}

/** See {@link BpfMap.updateBatch}. */
export function updateBatch(map: BpfMap, keys: MapBytes, values: MapBytes, count: number): void {
  if (count === 0) return;
  const nativeKeys = native(keys, count * map.keySize, "keys", map);
  const nativeValues = native(values, count * map.valueBytes, "values", map);
  const options = Packed.options(mapBatchOpts.size);
  const done = new Packed(4).u32(0, count);
  const result = libbpf().bpf_map_update_batch(
    map.fd,
    nativeKeys.address,
    nativeValues.address,
    done.address,
    options.address,
  );
  if (result >= 0) return;
  if (!unsupported.has(result)) {
    throw errnoError(-result, `update ${count} elements of map "${map.name}" (${done.getU32(0)} were written)`);
  }
  for (let index = 0; index < count; index++) {
    map.update(slice(nativeKeys, index, map.keySize), slice(nativeValues, index, map.valueBytes));
  }
}

/** See {@link BpfMap.deleteBatch}. */
export function deleteBatch(map: BpfMap, keys: MapBytes, count: number): number {
  const { bpf_map_delete_batch } = libbpf();
  const nativeKeys = native(keys, count * map.keySize, "keys", map);
  const options = Packed.options(mapBatchOpts.size);
  const done = new Packed(4);
  let removed = 0;
  let first = 0;
  while (first < count) {
    done.u32(0, count - first);
    const from = (nativeKeys.address + first * map.keySize) as Address;
    const result = bpf_map_delete_batch(map.fd, from, done.address, options.address);
    if (unsupported.has(result)) break;
    removed += done.getU32(0);
    if (result >= 0) return removed;
    if (result !== -ENOENT) throw errnoError(-result, `delete ${count} elements of map "${map.name}"`);
    // The batch stops at a key that is not there: go on behind it.
    first += done.getU32(0) + 1;
  }
  for (; first < count; first++) if (map.delete(slice(nativeKeys, first, map.keySize))) removed++;
  return removed;
}

/** See {@link BpfMap.entries}. */
export function* mapEntries(map: BpfMap, batch: number): Generator<{ key: Uint8Array; value: Uint8Array }> {
  const { bpf_map_lookup_batch } = libbpf();
  const options = Packed.options(mapBatchOpts.size);
  // A cursor is a bucket number in hash maps and a key in others.
  const cursors = [runtime.alloc(Math.max(map.keySize, 4)), runtime.alloc(Math.max(map.keySize, 4))] as const;
  let capacity = Math.min(batch, Math.max(map.maxEntries, 1));
  let keys = runtime.alloc(capacity * map.keySize);
  let values = runtime.alloc(capacity * map.valueBytes);
  const count = new Packed(4);
  let from: NativeBuffer | null = null;
  for (let round = 0; ; ) {
    const to: NativeBuffer = cursors[round % 2 === 0 ? 0 : 1];
    count.u32(0, capacity);
    const result = bpf_map_lookup_batch(
      map.fd,
      from?.address ?? NULL,
      to.address,
      keys.address,
      values.address,
      count.address,
      options.address,
    );
    if (result === -ENOSPC && capacity <= map.maxEntries * 2) {
      // One bucket holds more than fits.
      capacity *= 2;
      keys = runtime.alloc(capacity * map.keySize);
      values = runtime.alloc(capacity * map.valueBytes);
      continue;
    }
    if (from === null && unsupported.has(result)) return yield* entriesByKey(map);
    if (result < 0 && result !== -ENOENT) throw errnoError(-result, `go through map "${map.name}"`);
    const got = count.getU32(0);
    for (let index = 0; index < got; index++) {
      yield { key: slice(keys, index, map.keySize), value: slice(values, index, map.valueBytes) };
    }
    if (result === -ENOENT) return;
    from = to;
    round++;
  }
}

/** The next key is fetched before the element is handed out: a hash map starts again from a deleted key. */
function* entriesByKey(map: BpfMap): Generator<{ key: Uint8Array; value: Uint8Array }> {
  let key = runtime.alloc(map.keySize);
  let next = runtime.alloc(map.keySize);
  const value = runtime.alloc(map.valueBytes);
  let more = map.nextKey(null, key);
  while (more) {
    more = map.nextKey(key, next);
    if (map.lookup(key, value)) yield { key: key.bytes, value: value.bytes };
    [key, next] = [next, key];
  }
}
