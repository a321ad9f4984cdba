// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  canonicalPrefix,
  contains,
  formatAddress,
  formatMac,
  formatPrefix,
  hasHostBits,
  isLinkLocal,
  isPrefix,
  networkOf,
  parseAddress,
  parseMac,
  parsePrefix,
} from "./address.ts";

const roundTrip = (text: string) => {
  const address = parseAddress(text);
  return address === undefined ? undefined : formatAddress(address.bytes);
};

describe("addresses", () => {
  test("every IPv4 address survives text and back", () => {
    fc.assert(fc.property(fc.ipV4(), (text) => roundTrip(text) === text));
  });

  test("IPv6 text comes out in the one form of RFC 5952", () => {
    const cases = {
      "2001:0DB8:0:0:0:0:0:1": "2001:db8::1",
      "::": "::",
      "::1": "::1",
      "1::": "1::",
      "1:0:0:2:0:0:0:3": "1:0:0:2::3",
      "1:0:2:3:4:5:6:7": "1:0:2:3:4:5:6:7",
      "64:ff9b::192.0.2.33": "64:ff9b::c000:221",
      "fe80::a:b": "fe80::a:b",
      "0:0:1::": "0:0:1::",
    };
    for (const [text, canonical] of Object.entries(cases)) expect(roundTrip(text)).toBe(canonical);
  });

  test("every IPv6 address means the same bytes after formatting", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const text = formatAddress(bytes);
        if (!text.includes(":")) return true;
        expect(parseAddress(text)?.bytes).toEqual(bytes);
        return true;
      }),
    );
  });

  test("what is no address is refused", () => {
    for (const text of [
      "",
      "1",
      "1.2.3",
      "1.2.3.4.5",
      "256.1.1.1",
      "01.2.3.4",
      "1.2.3.4 ",
      ":",
      ":::",
      "1:::2",
      "1::2::3",
      "12345::",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7:8::",
      "g::",
      "1:",
      "fe80::1%eth0",
      "::ffff:1.2.3.4",
    ]) {
      expect([text, parseAddress(text)]).toEqual([text, undefined]);
    }
  });

  test("link-local addresses are known as such", () => {
    for (const text of ["169.254.1.1", "fe80::1", "febf::1"])
      expect(isLinkLocal(parseAddress(text) ?? never())).toBe(true);
    for (const text of ["169.253.1.1", "fec0::1", "::1"])
      expect(isLinkLocal(parseAddress(text) ?? never())).toBe(false);
  });
});

describe("prefixes", () => {
  const prefix = (text: string) => parsePrefix(text) ?? never();

  test("host bits are seen and can be removed", () => {
    expect(hasHostBits(prefix("10.97.0.1/16"))).toBe(true);
    expect(formatPrefix(networkOf(prefix("10.97.0.1/16")))).toBe("10.97.0.0/16");
    expect(formatPrefix(networkOf(prefix("10.97.129.1/17")))).toBe("10.97.128.0/17");
    expect(hasHostBits(prefix("fd00::1/64"))).toBe(true);
    expect(formatPrefix(networkOf(prefix("fd00:0:0:ffff::1/62")))).toBe("fd00:0:0:fffc::/62");
    for (const text of ["0.0.0.0/0", "::/0", "10.0.0.1/32", "10.0.0.1", "::1/128"])
      expect(hasHostBits(prefix(text))).toBe(false);
  });

  test("a network contains what was cut to it", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (text, length) => {
        const p = prefix(`${text}/${length}`);
        return contains(networkOf(p), p) && !hasHostBits(networkOf(p));
      }),
    );
    expect(contains(prefix("10.0.0.0/9"), parseAddress("10.128.0.0") ?? never())).toBe(false);
    expect(contains(prefix("0.0.0.0/0"), parseAddress("::1") ?? never())).toBe(false);
  });

  test("every prefix has one text", () => {
    const cases = {
      "10.97.0.1/16": "10.97.0.0/16",
      "10.97.0.0/16": "10.97.0.0/16",
      "10.97.0.1": "10.97.0.1/32",
      "FD00:0::1/64": "fd00::/64",
    };
    for (const [text, canonical] of Object.entries(cases)) expect(canonicalPrefix(text)).toBe(canonical);
    expect(canonicalPrefix("10.97.0.0/33")).toBeUndefined();
    expect([isPrefix("10.97.0.0/16"), isPrefix("::/0"), isPrefix("10.97")]).toEqual([true, true, false]);
  });

  test("bad lengths are refused", () => {
    for (const text of ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/08", "::/129", "10.0.0.0/1e1"])
      expect(parsePrefix(text)).toBeUndefined();
  });
});

test("MAC addresses are read in either case and written in lower case", () => {
  expect(formatMac(parseMac("02:00:00:AB:cd:01") ?? never())).toBe("02:00:00:ab:cd:01");
  for (const text of ["", "02:00:00:00:00", "2:0:0:0:0:1", "02-00-00-00-00-01", "02:00:00:00:00:0g"])
    expect(parseMac(text)).toBeUndefined();
});

function never(): never {
  throw new Error("The test's own input is wrong");
}
