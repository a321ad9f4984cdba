// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { ShardedMap } from "./sharded_map.ts";

test("a sharded map has what a map has", () => {
  const [map, plain] = [new ShardedMap<number>(), new Map<string, number>()];
  for (let i = 0; i < 3000; i++) {
    const key = i % 5 === 0 ? `fd00:${i % 700}::/48` : `10.${i % 700}.${i % 3}.0/24`;
    for (const some of [map, plain]) {
      if (i % 4 === 3) some.delete(key);
      else some.set(key, i);
    }
  }
  expect(map.size).toBe(plain.size);
  expect([...map].sort()).toEqual([...plain].sort());
  expect([...map.keys()].sort()).toEqual([...plain.keys()].sort());
  expect([...map.values()].sort()).toEqual([...plain.values()].sort());
  for (const [key, value] of plain) expect([map.get(key), map.has(key)]).toEqual([value, true]);
  expect([map.get("none"), map.has("none")]).toEqual([undefined, false]);
});
