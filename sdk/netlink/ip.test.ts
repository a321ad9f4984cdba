// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { addressText, wireAddress, wireMac, wirePrefix } from "./ip.ts";

describe("an address on the wire", () => {
  test("has four or sixteen bytes and comes back as the same text", () => {
    expect(wireAddress("192.0.2.1").bytes).toEqual(Uint8Array.of(192, 0, 2, 1));
    expect(wireAddress("2001:db8::1").bytes).toHaveLength(16);
    for (const text of ["0.0.0.0", "192.0.2.1", "::", "2001:db8::1", "fe80::1"]) {
      expect(addressText(wireAddress(text).bytes)).toBe(text);
    }
  });

  test("that is an IPv4-mapped IPv6 address is not shown as IPv4", () => {
    const bytes = new Uint8Array(16);
    bytes.set([0xff, 0xff, 192, 0, 2, 1], 10);
    expect(addressText(bytes)).toBe("::ffff:192.0.2.1");
  });

  test("keeps the host bits of a prefix, and is a host's without a length", () => {
    expect(wirePrefix("10.1.2.3/8")).toMatchObject({ family: 4, length: 8, bytes: Uint8Array.of(10, 1, 2, 3) });
    expect(wirePrefix("10.1.2.3").length).toBe(32);
    expect(wirePrefix("fd00::1").length).toBe(128);
  });

  test("is refused if the text is none", () => {
    for (const text of ["10.0.0", "10.0.0.1/8", "fd00::1::2", ""]) expect(() => wireAddress(text)).toThrow(`"${text}"`);
    for (const text of ["10.0.0.0/33", "fd00::/129", "10.0.0.0/"]) expect(() => wirePrefix(text)).toThrow(`"${text}"`);
    expect(() => wireMac("02:00:00:00:00")).toThrow('"02:00:00:00:00"');
  });
});
