// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { after, before, head, tail } from "./anchor.ts";
import { CLSACT_HANDLE } from "./clsact.ts";
import { clsactHandle, clsactPriority } from "./clsact_order.ts";
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

  test("is the one beside the neighbour, or beside all", () => {
    expect(clsactPriority(filters(50, 60), head(), "va")).toBe(49);
    expect(clsactPriority(filters(50, 49152), tail(), "va")).toBe(49153);
    expect(clsactPriority(filters(10, 50), before(program(101)), "va")).toBe(49);
    expect(clsactPriority(filters(100, 200), after(program(100)), "va")).toBe(101);
    // 87 would be behind the one of priority 20.
    expect(clsactPriority(filters(10, 20, 200), after(program(100)), "va")).toBe(11);
  });

  test("is shared with the BPF filter that comes next where there is no room in between", () => {
    expect(clsactPriority(filters(1, 9), head(), "va")).toBe(1);
    expect(clsactPriority(filters(1, 9), before(program(100)), "va")).toBe(1);
    expect(clsactPriority(filters(87, 88), after(program(100)), "va")).toBe(88);
    expect(clsactPriority(filters(87, 88), before(program(101)), "va")).toBe(88);
  });

  test("leaves its handle to who has it", () => {
    const own = { ...filters(88)[0], handle: CLSACT_HANDLE } as Filter;
    expect([clsactHandle([], 88), clsactHandle([own], 87), clsactHandle([own], 88)]).toEqual([
      CLSACT_HANDLE,
      CLSACT_HANDLE,
      CLSACT_HANDLE + 1,
    ]);
  });

  test("is refused where there is none, or no such neighbour", () => {
    const flower = [{ priority: 1, handle: 1, kind: "flower", programId: 0 }];
    expect(() => clsactPriority(flower, head(), '"va"')).toThrow(
      'Cannot choose a priority for a TC filter of "va": there is none between 0 and 1; give the other filters',
    );
    expect(() => clsactPriority(filters(65535), after(program(100)), '"va"')).toThrow("none between 65535 and 65536");
    expect(() => clsactPriority(filters(5), before(program(7)), '"va"')).toThrow("program 7 has no filter there");
    expect(() => clsactPriority(filters(5), before({ linkId: 7 }), '"va"')).toThrow("has no filter there");
  });
});
