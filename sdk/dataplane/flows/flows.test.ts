// SPDX-License-Identifier: Apache-2.0

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { contains, formatPrefix, networkOf, type Prefix, parsePrefix } from "../../address.ts";
import type { RawFlowKey } from "../../layout/index.ts";
import { PackedPrefixes } from "../routes/packed_prefixes.ts";
import { Ids } from "../state/ids.ts";
import { decodeFlowKey, encodeFlowKey, protocolName, protocolNumber, reverseKey } from "./codec.ts";
import { CoveringPrefixes } from "./covering_prefixes.ts";
import { matcher } from "./selector.ts";

const prefixOf = (text: string): Prefix => {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`${text} is no prefix`);
  return prefix;
};
const bytesOf = (text: string): Uint8Array => prefixOf(text).bytes;

const port = fc.integer({ min: 0, max: 65535 });
const anyKey = fc
  .record({
    v4: fc.boolean(),
    vrf: fc.nat(),
    protocol: fc.integer({ min: 0, max: 255 }),
    a: fc.ipV4(),
    b: fc.ipV4(),
    c: fc.uint8Array({ minLength: 15, maxLength: 15 }),
    sourcePort: port,
    destinationPort: port,
  })
  .map(
    ({ v4, a, b, c, ...rest }): RawFlowKey =>
      v4
        ? { family: 4, ...rest, source: bytesOf(a), destination: bytesOf(b) }
        : { family: 6, ...rest, source: Uint8Array.of(0xfd, ...c), destination: Uint8Array.of(0xfc, ...c) },
  );

describe("flow keys", () => {
  test("survive the kernel's layout", () => {
    fc.assert(
      fc.property(anyKey, (key) => {
        expect(decodeFlowKey(key.family, encodeFlowKey(key))).toEqual(key);
        expect(reverseKey(reverseKey(key))).toEqual(key);
      }),
    );
  });

  test("name protocols both ways, numbers included", () => {
    for (const name of ["tcp", "udp", "icmp", "icmpv6", "sctp", "gre", "esp", "89"]) {
      expect(protocolName(protocolNumber(name) ?? -1)).toBe(name);
    }
    for (const name of ["", "tpc", "256", "-1", "toString"]) expect(protocolNumber(name)).toBeUndefined();
  });
});

test("an index of prefixes holds the addresses that one of its prefixes contains", () => {
  const prefix = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })).map(([a, n]) => networkOf(prefixOf(`${a}/${n}`)));
  fc.assert(
    fc.property(fc.array(prefix, { maxLength: 6 }), fc.ipV4(), (prefixes, address) => {
      const packed = new PackedPrefixes();
      for (const each of prefixes) packed.pushText(1, formatPrefix(each));
      const index = new CoveringPrefixes(packed);
      const target = prefixOf(address);
      expect(index.holds(1, target.bytes)).toBe(prefixes.some((p) => contains(p, target)));
      expect(index.holds(2, target.bytes)).toBe(false);
      expect(index.empty).toBe(prefixes.length === 0);
    }),
  );
});

describe("a selector", () => {
  const ids = new Ids(4096, 65536, 4096);
  const red = ids.take("vrf", "red");
  const key: RawFlowKey = {
    family: 4,
    vrf: red,
    protocol: 6,
    source: bytesOf("10.97.0.1"),
    destination: bytesOf("10.97.0.2"),
    sourcePort: 1000,
    destinationPort: 80,
  };

  test("matches what all of its fields match", () => {
    const yes = [
      {},
      { vrf: "red" },
      { proto: "tcp", dport: 80 },
      { src: "10.97.0.0/16" },
      { dst: "10.97.0.2", sport: 1000 },
    ];
    for (const selector of yes) expect([selector, matcher(selector, ids)(key)]).toEqual([selector, true]);
    const no = [{ vrf: "blue" }, { proto: "udp" }, { src: "10.97.0.2" }, { dst: "::/0" }, { proto: "tcp", dport: 81 }];
    for (const selector of no) expect([selector, matcher(selector, ids)(key)]).toEqual([selector, false]);
  });

  test("that cannot be understood is refused by its field", () => {
    expect(() => matcher({ src: "10.97" }, ids)).toThrow(
      'Cannot select flows: src is "10.97", which is no address or prefix',
    );
    expect(() => matcher({ proto: "tpc" }, ids)).toThrow('Cannot select flows: proto is "tpc", which is no protocol');
  });
});
