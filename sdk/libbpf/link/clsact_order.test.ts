// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { after, before, head, tail } from "./anchor.ts";
import { clsactPriority } from "./clsact_order.ts";
import type { Filter } from "./filters.ts";

/** Filters of the programs 100, 101 and so on with these priorities. */
const filters = (...priorities: number[]): Filter[] =>
  priorities.map((priority, index) => ({ priority, handle: 1, kind: "bpf", programId: 100 + index }));

const program = (programId: number) => ({ programId });

describe("the priority of a clsact filter", () => {
  test("is Weir's own where the order allows it", () => {
    for (const order of [head(), tail()]) expect(clsactPriority([], order, "va")).toBe(87);
    expect(clsactPriority(filters(88, 200), head(), "va")).toBe(87);
    expect(clsactPriority(filters(1, 86), tail(), "va")).toBe(87);
    expect(clsactPriority(filters(10, 200), before(program(101)), "va")).toBe(87);
    expect(clsactPriority(filters(10, 200), after(program(100)), "va")).toBe(87);
  });

  test("is the next free one on the side that the order names", () => {
    expect(clsactPriority(filters(50, 60), head(), "va")).toBe(49);
    expect(clsactPriority(filters(50, 49152), tail(), "va")).toBe(49153);
    expect(clsactPriority(filters(49, 50), before(program(101)), "va")).toBe(48);
    expect(clsactPriority(filters(100, 101), after(program(100)), "va")).toBe(102);
    expect(clsactPriority(filters(87), after(program(100)), "va")).toBe(88);
  });

  test("is shared with the first BPF filter where there is no room in front of it", () => {
    expect(clsactPriority(filters(1, 9), head(), "va")).toBe(1);
    expect(clsactPriority(filters(1, 9), before(program(100)), "va")).toBe(1);
  });

  test("is refused where there is none, or no such neighbour", () => {
    const flower = [{ priority: 1, handle: 1, kind: "flower", programId: 0 }];
    expect(() => clsactPriority(flower, head(), '"va"')).toThrow(
      'Cannot choose a priority for a TC filter of "va": there is none left before 1; give the other filters',
    );
    expect(() => clsactPriority(filters(65535), after(program(100)), '"va"')).toThrow("none left behind 65535");
    expect(() => clsactPriority(filters(5), before(program(7)), '"va"')).toThrow("program 7 has no filter there");
    expect(() => clsactPriority(filters(5), before({ linkId: 7 }), '"va"')).toThrow("has no filter there");
  });
});
