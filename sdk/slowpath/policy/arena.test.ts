// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Arena } from "./arena.ts";

const AT = 4096;
const BYTES = 64 * 1024;

test("places do not overlap, lie at lines of the caches, and are all there again when they were given back", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 9000 }), fc.nat())), (steps) => {
      const arena = new Arena(AT, BYTES);
      const taken: { at: number; bytes: number }[] = [];
      for (const [bytes, which] of steps) {
        if (which % 3 === 0 && taken.length > 0) {
          const [given] = taken.splice(which % taken.length, 1);
          if (given !== undefined) arena.give(given.at, given.bytes);
          continue;
        }
        const at = arena.take(bytes);
        if (at === undefined) continue;
        expect([at % 64, at >= AT, at + bytes <= AT + BYTES]).toEqual([0, true, true]);
        for (const other of taken) expect(at + bytes <= other.at || other.at + other.bytes <= at).toBe(true);
        taken.push({ at, bytes });
      }
      for (const { at, bytes } of taken) arena.give(at, bytes);
      expect(arena.take(BYTES)).toBe(AT);
    }),
  );
});

test("what no piece is large enough for is refused", () => {
  const arena = new Arena(AT, 256);
  const [first, second] = [arena.take(100), arena.take(100)];
  expect([first, second, arena.take(1)]).toEqual([AT, AT + 128, undefined]);
  arena.give(AT, 100);
  expect([arena.take(129), arena.take(128)]).toEqual([undefined, AT]);
});
