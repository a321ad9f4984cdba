// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import { canonicalPrefix } from "../../address.ts";
import { PackedPrefixes } from "./packed_prefixes.ts";
import { PrefixIndex } from "./prefix_index.ts";

const anyPrefix = fc.oneof(
  fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })).map(([address, length]) => `${address}/${length}`),
  fc
    .tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 }))
    .map(([address, length]) => `${address}/${length}`)
    .filter((text) => canonicalPrefix(text) !== undefined),
);

test("a packed prefix has the text, the family and the length that it has as an object", () => {
  fc.assert(
    fc.property(anyPrefix, fc.nat(), (text, vrf) => {
      const packed = PackedPrefixes.of(vrf, text);
      const canonical = canonicalPrefix(text) ?? "";
      expect(packed?.text(0)).toBe(canonical);
      expect(packed?.vrf(0)).toBe(vrf);
      expect(packed?.prefixLength(0)).toBe(Number(canonical.split("/")[1]));
      expect(packed?.family(0)).toBe(canonical.includes(":") ? 6 : 4);
    }),
  );
  expect(PackedPrefixes.of(0, "10.0.0.0/33")).toBeUndefined();
});

test("an index finds what was added and not removed, whatever was before", () => {
  const operation = fc.record({ add: fc.boolean(), vrf: fc.nat(2), last: fc.nat(40) });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      const prefixes = new PackedPrefixes();
      const index = new PrefixIndex(prefixes);
      const expected = new Map<string, number>();
      for (const { add, vrf, last } of operations) {
        const text = `10.0.0.${last}/32`;
        const key = `${vrf} ${text}`;
        const asked = PackedPrefixes.of(9, text) ?? prefixes;
        const known = expected.get(key);
        expect(index.find(asked, 0, vrf)).toBe(known ?? -1);
        if (add && known === undefined) {
          prefixes.push(asked, 0, vrf);
          index.add(prefixes.length - 1);
          expected.set(key, prefixes.length - 1);
        } else if (!add && known !== undefined) {
          index.remove(known);
          expected.delete(key);
        }
      }
      for (const position of expected.values()) {
        expect(index.find(prefixes, position, prefixes.vrf(position))).toBe(position);
      }
    }),
  );
});
