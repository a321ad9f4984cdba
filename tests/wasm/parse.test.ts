// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { instantiate } from "./module.ts";
import { icmp, mapped, type PacketOptions, packet, tcp, udp } from "./packets.ts";

const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
const wasm = instantiate(memory);
const bytes = new Uint8Array(memory.buffer);
const AT = 65536;

function parse(frame: Uint8Array, l3Offset = 14) {
  bytes.set(frame, AT);
  if (wasm.parse(AT, frame.length, l3Offset) === 0) return undefined;
  wasm.addresses(1024);
  return {
    family: wasm.family(),
    protocol: wasm.protocol(),
    source: [...bytes.slice(1024, 1040)],
    destination: [...bytes.slice(1040, 1056)],
    sourcePort: wasm.sourcePort(),
    destinationPort: wasm.destinationPort(),
    icmp: wasm.icmp() >>> 0,
    fragment: wasm.fragment() !== 0,
    upper: wasm.upperLayer() === 0 ? 0 : wasm.upperLayer() - AT,
  };
}

const NO_ICMP = 0xffff_ffff;
const V4 = { source: "10.0.0.1", destination: "192.0.2.7" };
const V6 = { source: "fd00::1", destination: "2001:db8::7" };

describe("parse", () => {
  test("UDP over IPv4, with options and padding", () => {
    const frame = packet({ ...V4, protocol: 17, payload: udp(1234, 53), options: [1, 1, 1, 0], padding: 10 });
    expect(parse(frame)).toEqual({
      family: 4,
      protocol: 17,
      source: mapped(V4.source),
      destination: mapped(V4.destination),
      sourcePort: 1234,
      destinationPort: 53,
      icmp: NO_ICMP,
      fragment: false,
      upper: 38,
    });
  });

  test("TCP over IPv6 behind two VLAN tags", () => {
    const frame = packet({ ...V6, protocol: 6, payload: tcp(40000, 443), vlans: [10, 20] });
    expect(parse(frame, 22)).toMatchObject({
      family: 6,
      protocol: 6,
      sourcePort: 40000,
      destinationPort: 443,
      upper: 62,
    });
  });

  test("IPv6 extension headers are stepped over", () => {
    // Hop-by-hop (8 bytes), then destination options (16 bytes), then UDP.
    const options = [60, 0, 1, 4, 0, 0, 0, 0, 17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    const frame = packet({ ...V6, protocol: 17, payload: udp(5, 6), options, firstExtension: 0 });
    expect(parse(frame)).toMatchObject({ protocol: 17, sourcePort: 5, destinationPort: 6, upper: 14 + 40 + 24 });
  });

  test("the echo identifier stands for both ports", () => {
    expect(parse(packet({ ...V4, protocol: 1, payload: icmp(8, 0, [0x12, 0x34, 0, 1]) }))).toMatchObject({
      sourcePort: 0x1234,
      destinationPort: 0x1234,
      icmp: 0x0800,
    });
    expect(parse(packet({ ...V6, protocol: 58, payload: icmp(129, 0, [0, 9, 0, 1]) }))).toMatchObject({
      sourcePort: 9,
      destinationPort: 9,
      icmp: 0x8100,
    });
    // ICMPv6 over IPv4 is nothing that anybody answers.
    expect(parse(packet({ ...V4, protocol: 58, payload: icmp(128, 0) }))).toMatchObject({
      sourcePort: 0,
      icmp: NO_ICMP,
    });
  });

  test("type and code stand for the ports of other ICMP, with those of the answer", () => {
    const ports = (version: typeof V4, protocol: number, type: number, code: number) => {
      const parsed = parse(packet({ ...version, protocol, payload: icmp(type, code, [0, 9, 0, 1]) }));
      return [parsed?.sourcePort, parsed?.destinationPort];
    };
    expect(ports(V4, 1, 13, 0)).toEqual([0x0e00, 0x0d00]);
    expect(ports(V4, 1, 14, 0)).toEqual([0x0d00, 0x0e00]);
    expect(ports(V4, 1, 17, 3)).toEqual([0x1203, 0x1103]);
    expect(ports(V4, 1, 9, 0)).toEqual([0, 0x0900]);
    expect(ports(V4, 1, 42, 1)).toEqual([0, 0x2a01]);
    expect(ports(V6, 58, 135, 0)).toEqual([0x8800, 0x8700]);
    expect(ports(V6, 58, 136, 0)).toEqual([0x8700, 0x8800]);
    expect(ports(V6, 58, 140, 2)).toEqual([0x8b02, 0x8c02]);
    expect(ports(V6, 58, 160, 1)).toEqual([0, 0xa001]);
    for (const type of [3, 4, 5, 11, 12]) expect(ports(V4, 1, type, 1)).toEqual([0, 0]);
    for (const type of [1, 2, 3, 4, 127]) expect(ports(V6, 58, type, 1)).toEqual([0, 0]);
  });

  test("first fragments have ports, later ones have not", () => {
    const first = { protocol: 17, payload: udp(7, 8) };
    expect(parse(packet({ ...V4, ...first, fragment: 0x2000 }))).toMatchObject({ sourcePort: 7, fragment: true });
    expect(parse(packet({ ...V4, ...first, fragment: 0x0010 }))).toMatchObject({
      sourcePort: 0,
      fragment: true,
      upper: 0,
    });
    expect(parse(packet({ ...V6, ...first, fragment: 0x0001 }))).toMatchObject({ sourcePort: 7, fragment: true });
    expect(parse(packet({ ...V6, ...first, fragment: 0x0010 }))).toMatchObject({
      sourcePort: 0,
      fragment: true,
      upper: 0,
    });
    expect(parse(packet({ ...V6, ...first, fragment: 0 }))).toMatchObject({ sourcePort: 7, fragment: false });
  });

  test("what is cut short is refused, at every length", () => {
    const frames = [
      packet({ ...V4, protocol: 6, payload: tcp(1, 2) }),
      packet({ ...V6, protocol: 17, payload: udp(1, 2) }),
      packet({ ...V6, protocol: 17, payload: udp(1, 2), fragment: 1 }),
    ];
    for (const frame of frames) {
      for (let length = 0; length < frame.length; length++) expect(parse(frame.slice(0, length))).toBeUndefined();
      expect(parse(frame)).toBeDefined();
    }
  });

  test("any bytes are taken or refused, and never lead outside the packet", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 120 }), fc.integer({ min: 0, max: 30 }), (data, offset) => {
        const result = parse(data, offset);
        if (result !== undefined) expect(result.upper).toBeLessThanOrEqual(data.length);
      }),
      { numRuns: 500 },
    );
  });

  test("addresses and ports of random packets arrive unchanged", () => {
    const port = fc.integer({ min: 0, max: 65535 });
    const options = fc.record({ v4: fc.ipV4(), v4b: fc.ipV4(), sport: port, dport: port, length: fc.nat(40) });
    fc.assert(
      fc.property(options, ({ v4, v4b, sport, dport, length }) => {
        const o: PacketOptions = {
          source: v4,
          destination: v4b,
          protocol: 17,
          payload: udp(sport, dport, new Array(length).fill(1)),
        };
        expect(parse(packet(o))).toMatchObject({
          source: mapped(v4),
          destination: mapped(v4b),
          sourcePort: sport,
          destinationPort: dport,
        });
      }),
    );
  });
});
