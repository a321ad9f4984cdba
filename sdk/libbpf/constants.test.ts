// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { encodeVariable } from "./constants.ts";
import { sectionType } from "./sections.ts";

const cases: readonly (readonly [size: number, value: number | bigint, bytes: readonly number[]])[] = [
  [1, 255, [255]],
  [1, -128, [128]],
  [2, 0x1234, [0x34, 0x12]],
  [4, -1, [255, 255, 255, 255]],
  [8, 0xffff_ffff_ffff_fffen, [254, 255, 255, 255, 255, 255, 255, 255]],
];

for (const [size, value, bytes] of cases) {
  test(`${value} in ${size} bytes`, () => expect([...encodeVariable("x", size, value)]).toEqual([...bytes]));
}

test("numbers that do not fit or are no integers are refused", () => {
  expect(() => encodeVariable("x", 1, 256)).toThrow('Cannot set variable "x": 256 does not fit into 1 bytes');
  expect(() => encodeVariable("x", 1, -129)).toThrow("does not fit");
  expect(() => encodeVariable("x", 4, 0.5)).toThrow("0.5 is no integer");
  expect(() => encodeVariable("x", 16, 1)).toThrow("it has 16 bytes; give its bytes");
});

test("sections tell program types, also those that libbpf 1.1 does not know", () => {
  expect(sectionType("tcx/egress")).toEqual({ type: "sched_cls", attachType: 0 });
  expect(sectionType("netkit/primary")?.type).toBe("sched_cls");
  expect(sectionType("xdp.frags")).toEqual({ type: "xdp", attachType: 37 });
  expect(sectionType("xdp/devmap")).toBeUndefined();
  expect(sectionType("kprobe/x")).toBeUndefined();
});
