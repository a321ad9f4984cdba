// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { be16, be32, bytes, layout, struct, structArray, u8, u16, u32, u32Array, u64, valuesOf } from "./codec.ts";

const BASE = 8;

function memory(): { view: DataView; array: Uint8Array } {
  const buffer = new ArrayBuffer(64);
  return { view: new DataView(buffer), array: new Uint8Array(buffer) };
}

describe("field codecs", () => {
  test("write host-order numbers little endian at base + offset", () => {
    const { view, array } = memory();
    u8(0).set(view, BASE, 0x11);
    u16(2).set(view, BASE, 0x2233);
    u32(4).set(view, BASE, 0x44556677);
    expect([...array.subarray(BASE, BASE + 8)]).toEqual([0x11, 0, 0x33, 0x22, 0x77, 0x66, 0x55, 0x44]);
    expect([u8(0).get(view, BASE), u16(2).get(view, BASE), u32(4).get(view, BASE)]).toEqual([0x11, 0x2233, 0x44556677]);
  });

  test("write network-order numbers big endian and read them back as the number", () => {
    const { view, array } = memory();
    be16(0).set(view, BASE, 80);
    be32(4).set(view, BASE, 0xff000001);
    expect([...array.subarray(BASE, BASE + 8)]).toEqual([0, 80, 0, 0, 0xff, 0, 0, 1]);
    expect([be16(0).get(view, BASE), be32(4).get(view, BASE)]).toEqual([80, 0xff000001]);
  });

  test("take 64-bit numbers as number or bigint and give both", () => {
    const { view } = memory();
    u64(0).set(view, BASE, 2 ** 40 + 5);
    expect(u64(0).get(view, BASE)).toBe(2n ** 40n + 5n);
    expect(u64(0).getNumber(view, BASE)).toBe(2 ** 40 + 5);
    u64(0).set(view, BASE, 2n ** 64n - 1n);
    expect(u64(0).get(view, BASE)).toBe(2n ** 64n - 1n);
  });

  test("give byte fields as a view, not a copy, and refuse a source that is too long", () => {
    const { array } = memory();
    const mac = bytes(2, 6);
    mac.set(array, BASE, [1, 2, 3, 4, 5, 6]);
    mac.bytes(array, BASE)[0] = 9;
    expect([...array.subarray(BASE + 2, BASE + 8)]).toEqual([9, 2, 3, 4, 5, 6]);
    expect(() => mac.set(array, BASE, new Uint8Array(7))).toThrow("7 bytes were given");
  });

  test("reach the elements of an array and no others", () => {
    const { view } = memory();
    const words = u32Array(4, 2);
    words.set(view, BASE, 1, 7);
    expect([words.get(view, BASE, 0), words.get(view, BASE, 1)]).toEqual([0, 7]);
    expect(() => words.get(view, BASE, 2)).toThrow("element 2 of 2");
  });

  test("give the base of an inner struct", () => {
    expect(struct(32, 16).at(BASE)).toBe(BASE + 32);
  });

  test("give the bases of inner structs and of no others", () => {
    expect(structArray(32, 16, 2).at(BASE, 1)).toBe(BASE + 48);
    expect(() => structArray(32, 16, 2).at(BASE, 2)).toThrow("element 2 of 2");
  });
});

test("a layout lists the offsets of its codec's fields", () => {
  expect(layout(8, { first: u8(0), second: u32(4) })).toEqual({ size: 8, offsets: { first: 0, second: 4 } });
});

test("an enum's names map to their positions", () => {
  expect(valuesOf(["none", "no-route"])).toEqual({ none: 0, "no-route": 1 });
});
