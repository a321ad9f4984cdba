// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import fc from "fast-check";
import { instantiate } from "./module.ts";
import { address, pseudoHeader, referenceChecksum } from "./packets.ts";

const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
const wasm = instantiate(memory);
const bytes = new Uint8Array(memory.buffer);
const AT = 65536;

test("the checksum is that of RFC 1071, at every length and alignment", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1600 }), fc.integer({ min: 0, max: 15 }), (data, shift) => {
      bytes.set(data, AT + shift);
      expect(wasm.checksum(AT + shift, data.length)).toBe(referenceChecksum(data));
    }),
  );
});

test("sums that carry many times are folded completely", () => {
  bytes.fill(0xff, AT, AT + 1500);
  expect(wasm.checksum(AT, 1500)).toBe(0);
  expect(wasm.checksum(AT, 1499)).toBe(referenceChecksum(new Uint8Array(1499).fill(0xff)));
});

test("pseudo headers of both families count", () => {
  const data = fc.sample(fc.uint8Array({ minLength: 8, maxLength: 99 }), 20);
  for (const [source, destination, protocol] of [
    ["10.1.2.3", "192.0.2.255", 6],
    ["fd00::1", "2001:db8:ffff::9", 58],
  ] as const) {
    const addresses = [...address(source), ...address(destination)];
    for (const payload of data) {
      bytes.set(addresses, AT);
      bytes.set(payload, AT + 64);
      const expected = referenceChecksum(
        Uint8Array.from([...pseudoHeader(source, destination, protocol, payload.length), ...payload]),
      );
      expect(wasm.pseudoChecksum(AT, addresses.length, protocol, AT + 64, payload.length)).toBe(expected);
    }
  }
});
