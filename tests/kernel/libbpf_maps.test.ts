// SPDX-License-Identifier: Apache-2.0
/** One contract for all kinds of maps, and what only some can. */

import { afterAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { runtime } from "#runtime";
import { BPF_F_MMAPABLE, BPF_F_NO_PREALLOC, BpfMap, type CreateMapOptions } from "../../sdk/libbpf/index.ts";
import { pageSize } from "../../sdk/runtime/libc.ts";

const PINS = `/sys/fs/bpf/wA-${process.pid}-maps`;

afterAll(() => rmSync(PINS, { recursive: true, force: true }));

function u32(...values: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

interface Kind extends Omit<CreateMapOptions, "name"> {
  /** Elements exist from the start and cannot be removed. */
  readonly fixed: boolean;
  readonly key: (index: number) => Uint8Array;
}

const kinds: readonly Kind[] = [
  { type: "array", keySize: 4, valueSize: 8, maxEntries: 300, fixed: true, key: (i) => u32(i) },
  { type: "hash", keySize: 8, valueSize: 12, maxEntries: 300, fixed: false, key: (i) => u32(i, 7) },
  { type: "lru_hash", keySize: 8, valueSize: 8, maxEntries: 4096, fixed: false, key: (i) => u32(i, 7) },
  { type: "percpu_array", keySize: 4, valueSize: 12, maxEntries: 300, fixed: true, key: (i) => u32(i) },
  { type: "percpu_hash", keySize: 4, valueSize: 4, maxEntries: 300, fixed: false, key: (i) => u32(i) },
  {
    type: "lpm_trie",
    keySize: 8,
    valueSize: 8,
    maxEntries: 300,
    flags: BPF_F_NO_PREALLOC,
    fixed: false,
    key: (i) => Uint8Array.of(32, 0, 0, 0, 10, 0, i >> 8, i & 0xff),
  },
];

for (const { fixed, key, ...options } of kinds) {
  describe(`a ${options.type} map`, () => {
    const create = () => BpfMap.create({ ...options, name: "wA_contract" });
    const value = (map: BpfMap, seed: number) => {
      const bytes = new Uint8Array(map.valueBytes);
      // Every CPU's value; the padding between them is zeroed by the kernel.
      for (let cpu = 0; cpu < map.cpus; cpu++) {
        const start = map.cpus === 1 ? 0 : cpu * map.valueStride;
        bytes.fill(seed + cpu, start, start + map.valueSize);
      }
      return bytes;
    };

    test("has the shape it was made with", () => {
      using map = create();
      expect(map.info()).toMatchObject({ ...options, name: "wA_contract", id: map.id });
      expect(map.valueBytes).toBe(map.cpus === 1 ? map.valueSize : map.valueStride * map.cpus);
    });

    test("gives back what was written, and tells what is not there", () => {
      using map = create();
      const read = new Uint8Array(map.valueBytes);
      if (!fixed) expect(map.lookup(key(1), read)).toBe(false);
      map.update(key(1), value(map, 5));
      expect(map.lookup(key(1), read)).toBe(true);
      expect(read).toEqual(value(map, 5));
    });

    test("takes native memory in place of bytes", () => {
      using map = create();
      const nativeKey = runtime.alloc(map.keySize);
      nativeKey.bytes.set(key(2));
      const nativeValue = runtime.alloc(map.valueBytes);
      nativeValue.bytes.set(value(map, 9));
      map.update(nativeKey, nativeValue);
      nativeValue.bytes.fill(0);
      expect(map.lookup(nativeKey, nativeValue)).toBe(true);
      expect(nativeValue.bytes).toEqual(value(map, 9));
    });

    test("removes elements, or refuses to", () => {
      using map = create();
      map.update(key(1), value(map, 5));
      if (fixed) {
        expect(() => map.delete(key(1))).toThrow("EINVAL");
      } else {
        expect(map.delete(key(1))).toBe(true);
        expect(map.delete(key(1))).toBe(false);
      }
    });

    test("keeps what is there in mode create, and replaces nothing new in mode exist", () => {
      using map = create();
      map.update(key(1), value(map, 5));
      expect(() => map.update(key(1), value(map, 6), "create")).toThrow("EEXIST");
      if (!fixed) expect(() => map.update(key(2), value(map, 6), "exist")).toThrow("ENOENT");
    });

    test("is written, read and emptied in batches", () => {
      using map = create();
      const count = 250;
      const keys = new Uint8Array(count * map.keySize);
      const values = new Uint8Array(count * map.valueBytes);
      for (let index = 0; index < count; index++) {
        keys.set(key(index), index * map.keySize);
        values.set(value(map, index & 0x7f), index * map.valueBytes);
      }
      map.updateBatch(keys, values, count);
      const seen = new Map<string, string>();
      for (const entry of map.entries({ batch: 64 })) seen.set(entry.key.toHex(), entry.value.toHex());
      expect(seen.size).toBe(fixed ? map.maxEntries : count);
      for (let index = 0; index < count; index++) {
        expect(seen.get(key(index).toHex())).toBe(value(map, index & 0x7f).toHex());
      }
      if (fixed) return;
      expect(map.deleteBatch(keys, count)).toBe(count);
      expect([...map.entries()]).toEqual([]);
    });

    test("may lose its current element while it is gone through", () => {
      if (fixed) return;
      using map = create();
      for (let index = 0; index < 100; index++) map.update(key(index), value(map, 1));
      let seen = 0;
      for (const entry of map.entries({ batch: 16 })) {
        seen++;
        map.delete(entry.key.slice());
      }
      expect(seen).toBe(100);
      expect([...map.entries()].length).toBe(0);
    });

    test("outlives its descriptor when it is pinned", () => {
      const path = `${PINS}/${options.type}`;
      {
        using map = create();
        map.update(key(3), value(map, 8));
        map.pin(path);
      }
      using again = BpfMap.fromPin(path, options);
      const read = new Uint8Array(again.valueBytes);
      expect(again.lookup(key(3), read)).toBe(true);
      expect(read).toEqual(value(again, 8));
      again.unpin();
      expect(() => BpfMap.fromPin(path)).toThrow("ENOENT");
    });

    test("is refused from a pin if it is not alike", () => {
      const path = `${PINS}/${options.type}-other`;
      using map = create();
      map.pin(path);
      const wrong = { ...options, valueSize: options.valueSize + 4, maxEntries: 7 };
      const difference = `valueSize ${map.valueSize} instead of ${map.valueSize + 4}, maxEntries ${map.maxEntries} instead of 7`;
      expect(() => BpfMap.fromPin(path, wrong)).toThrow(`Cannot use the pinned map "${path}": it has ${difference}`);
      map.unpin();
    });

    test("refuses keys and values of the wrong size before the kernel reads beyond them", () => {
      using map = create();
      expect(() => map.update(new Uint8Array(3), value(map, 1))).toThrow("a key of 3 bytes was given");
      expect(() => map.lookup(key(1), new Uint8Array(2))).toThrow("a value of 2 bytes was given");
    });
  });
}

test("a batch of deletions goes on behind keys that are not there", () => {
  using map = BpfMap.create({ name: "wA_gaps", type: "hash", keySize: 4, valueSize: 4, maxEntries: 16 });
  for (const key of [1, 3, 5]) map.update(u32(key), u32(key));
  expect(map.deleteBatch(u32(1, 2, 3, 4, 5), 5)).toBe(3);
});

test("a full hash says so", () => {
  using map = BpfMap.create({ name: "wA_full", type: "hash", keySize: 4, valueSize: 4, maxEntries: 2 });
  map.update(u32(1), u32(1));
  map.update(u32(2), u32(2));
  expect(() => map.update(u32(3), u32(3))).toThrow('Cannot update map "wA_full": E2BIG (all 2 entries are in use)');
});

test("a queue gives elements back in order", () => {
  using map = BpfMap.create({ name: "wA_queue", type: "queue", keySize: 0, valueSize: 4, maxEntries: 4 });
  for (const value of [11, 12]) map.update(new Uint8Array(0), u32(value));
  const value = new Uint8Array(4);
  expect(map.lookupAndDelete(new Uint8Array(0), value)).toBe(true);
  expect(value).toEqual(u32(11));
});

test("a device map cannot be written in batches and still takes one", () => {
  using map = BpfMap.create({ name: "wA_dev", type: "devmap_hash", keySize: 4, valueSize: 4, maxEntries: 4 });
  map.updateBatch(u32(1, 2), u32(1, 1), 2);
  expect([...map.entries()].map(({ key }) => key[0]).sort()).toEqual([1, 2]);
  expect(map.deleteBatch(u32(1, 9, 2), 3)).toBe(2);
});

test("inner maps are put in by descriptor", () => {
  using inner = BpfMap.create({ name: "wA_inner", type: "array", keySize: 4, valueSize: 4, maxEntries: 1 });
  using outer = BpfMap.create({
    name: "wA_outer",
    type: "hash_of_maps",
    keySize: 4,
    valueSize: 4,
    maxEntries: 2,
    inner,
  });
  outer.update(u32(1), u32(inner.fd));
  const id = new Uint8Array(4);
  expect(outer.lookup(u32(1), id)).toBe(true);
  expect(id).toEqual(u32(inner.id));
});

test("a frozen map takes no more from user space", () => {
  using map = BpfMap.create({ name: "wA_frozen", type: "array", keySize: 4, valueSize: 4, maxEntries: 1 });
  map.freeze();
  expect(() => map.update(u32(0), u32(1))).toThrow("EPERM");
});

describe("a mapped array", () => {
  const create = () =>
    BpfMap.create({
      name: "wA_mapped",
      type: "array",
      keySize: 4,
      valueSize: 12,
      maxEntries: 600,
      flags: BPF_F_MMAPABLE,
    });

  test("is the same memory as the map", () => {
    using map = create();
    using mapping = map.mmap();
    expect(mapping.byteLength).toBe(Math.ceil((600 * 16) / pageSize) * pageSize);
    new DataView(mapping.view).setUint32(5 * map.valueStride + 8, 77, true);
    const value = new Uint8Array(12);
    map.lookup(u32(5), value);
    expect(value).toEqual(u32(0, 0, 77));
    map.update(u32(6), u32(1, 2, 3));
    expect(new Uint32Array(mapping.view, 6 * map.valueStride, 3)).toEqual(Uint32Array.of(1, 2, 3));
  });

  test("can lie inside a WebAssembly memory, which has its own pages back afterwards", () => {
    using map = create();
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
    const base = runtime.addressOf(memory);
    const words = new Uint32Array(memory.buffer, pageSize, 64);
    {
      using _mapping = map.mmap({ at: (base + pageSize) as typeof base });
      words[4] = 99;
      const value = new Uint8Array(12);
      map.lookup(u32(1), value);
      expect(value).toEqual(u32(99, 0, 0));
    }
    expect(words[4]).toBe(0);
    words[4] = 1;
    const value = new Uint8Array(12);
    map.lookup(u32(1), value);
    expect(value).toEqual(u32(99, 0, 0));
  });

  test("is refused for maps that were not made for it", () => {
    using map = BpfMap.create({ name: "wA_plain", type: "array", keySize: 4, valueSize: 4, maxEntries: 1 });
    expect(() => map.mmap()).toThrow("it was made without BPF_F_MMAPABLE");
  });
});
