// SPDX-License-Identifier: Apache-2.0
/** ICMP errors and TCP resets, byte by byte against what RFC 792, 1812, 4443 and 9293 ask for. */

import { beforeEach, describe, expect, test } from "bun:test";
import { INGRESS_TUNNEL, INJECT_FLAG_BRIDGED, TRAP_FLAG_BRIDGED, type TrapReason } from "../../sdk/layout/index.ts";
import { compilePolicy } from "../../sdk/slowpath/index.ts";
import { FakeWorker } from "./harness.ts";
import {
  address,
  icmp,
  MAC_A,
  MAC_GATEWAY,
  mac,
  packet,
  pseudoHeader,
  referenceChecksum,
  tcp,
  udp,
} from "./packets.ts";
import type { Meta } from "./trap_meta.ts";

const V4 = { source: "10.97.0.1", destination: "10.97.5.2" };
const V6 = { source: "fd00:97::1", destination: "fd00:97::99" };
const TRANSMIT = 2;

let worker: FakeWorker;

beforeEach(() => {
  worker = new FakeWorker();
});

/** The one packet that answers `frame`. */
function answer(frame: Uint8Array, reason: TrapReason, meta: Meta = {}): Uint8Array | undefined {
  worker.receive(frame, { reason, ...meta });
  worker.poll();
  worker.apply();
  const sent = worker.sent();
  worker.poll();
  expect(worker.framesOut).toBe(0);
  if (sent.length === 0) return undefined;
  expect(sent).toHaveLength(1);
  expect(sent[0]).toMatchObject({ action: TRANSMIT, interface: meta.interface ?? 1 });
  return sent[0]?.packet;
}

function expectAddressedBack(frame: Uint8Array): void {
  expect([...frame.slice(0, 12)]).toEqual([...mac(MAC_A), ...mac(MAC_GATEWAY)]);
}

/** Checks an ICMP error over IPv4 and returns its type, code, fourth word and quotation. */
function readError4(frame: Uint8Array, source: string, destination: string) {
  const ip = frame.slice(14);
  expect(referenceChecksum(ip.slice(0, 20))).toBe(0);
  expect([ip[0], ip[1], ip[8], ip[9]]).toEqual([0x45, 0xc0, 64, 1]);
  expect(((ip[2] ?? 0) << 8) | (ip[3] ?? 0)).toBe(ip.length);
  expect([...ip.slice(12, 16)]).toEqual(address(source));
  expect([...ip.slice(16, 20)]).toEqual(address(destination));
  expect(referenceChecksum(ip.slice(20))).toBe(0);
  return { type: ip[20], code: ip[21], word: [...ip.slice(24, 28)], quoted: ip.slice(28) };
}

function readError6(frame: Uint8Array, source: string, destination: string) {
  const ip = frame.slice(14);
  expect([ip[0], ip[6], ip[7]]).toEqual([0x60, 58, 64]);
  expect(((ip[4] ?? 0) << 8) | (ip[5] ?? 0)).toBe(ip.length - 40);
  expect([...ip.slice(8, 24)]).toEqual(address(source));
  expect([...ip.slice(24, 40)]).toEqual(address(destination));
  const pseudo = pseudoHeader(source, destination, 58, ip.length - 40);
  expect(referenceChecksum(Uint8Array.from([...pseudo, ...ip.slice(40)]))).toBe(0);
  return { type: ip[40], code: ip[41], word: [...ip.slice(44, 48)], quoted: ip.slice(48) };
}

describe("ICMP errors", () => {
  const cases: readonly [TrapReason, readonly [number, number], readonly [number, number]][] = [
    ["ttl-expired", [11, 0], [3, 0]],
    ["no-route", [3, 0], [1, 0]],
    ["packet-too-big", [3, 4], [2, 0]],
  ];

  for (const [reason, v4, v6] of cases) {
    test(`${reason} is answered over both families`, () => {
      worker.setNexthop(2, { mtu: 1400 });
      const mtu = reason === "packet-too-big" ? [0, 0, 0x05, 0x78] : [0, 0, 0, 0];
      const four = packet({ ...V4, protocol: 17, payload: udp(1, 2, [1, 2, 3]), ttl: 1, padding: 9 });
      const error4 = answer(four, reason);
      expect(error4).toBeDefined();
      expectAddressedBack(error4 as Uint8Array);
      const read4 = readError4(error4 as Uint8Array, "169.254.1.1", V4.source);
      expect(read4).toEqual({ type: v4[0], code: v4[1], word: mtu, quoted: four.slice(14, -9) });

      const six = packet({ ...V6, protocol: 17, payload: udp(1, 2, [1, 2, 3]), ttl: 1 });
      const error6 = answer(six, reason);
      expectAddressedBack(error6 as Uint8Array);
      const read6 = readError6(error6 as Uint8Array, "fe80::1", V6.source);
      expect(read6).toEqual({ type: v6[0], code: v6[1], word: mtu, quoted: six.slice(14) });
    });
  }

  test("quote at most what fits 576 or 1280 bytes", () => {
    const data = Array.from({ length: 1400 }, (_, i) => i & 255);
    const four = packet({ ...V4, protocol: 17, payload: udp(1, 2, data) });
    const error4 = answer(four, "no-route") as Uint8Array;
    expect(error4.length).toBe(14 + 576);
    expect(readError4(error4, "169.254.1.1", V4.source).quoted).toEqual(four.slice(14, 14 + 548));
    const six = packet({ ...V6, protocol: 17, payload: udp(1, 2, data) });
    const error6 = answer(six, "no-route") as Uint8Array;
    expect(error6.length).toBe(14 + 1280);
    expect(readError6(error6, "fe80::1", V6.source).quoted).toEqual(six.slice(14, 14 + 1232));
  });

  test("keep the VLAN tags of the packet", () => {
    const frame = packet({ ...V4, protocol: 17, payload: udp(1, 2), vlans: [10, 20] });
    const error = answer(frame, "no-route", { l3Offset: 22 }) as Uint8Array;
    expect([...error.slice(12, 22)]).toEqual([...frame.slice(12, 22)]);
    readError4(Uint8Array.from([...error.slice(0, 12), 8, 0, ...error.slice(22)]), "169.254.1.1", V4.source);
  });

  const silent: readonly [string, Uint8Array][] = [
    ["ICMP errors", packet({ ...V4, protocol: 1, payload: icmp(3, 1, [0, 0, 0, 0, 0x45]) })],
    ["unknown ICMP types", packet({ ...V4, protocol: 1, payload: icmp(99, 0) })],
    ["ICMPv6 errors", packet({ ...V6, protocol: 58, payload: icmp(1, 4, [0, 0, 0, 0]) })],
    ["ICMPv6 redirects", packet({ ...V6, protocol: 58, payload: icmp(137, 0) })],
    ["later fragments", packet({ ...V4, protocol: 17, payload: udp(1, 2), fragment: 0x0010 })],
    ["later IPv6 fragments", packet({ ...V6, protocol: 17, payload: udp(1, 2), fragment: 0x0010 })],
    ["multicast", packet({ ...V4, destination: "224.0.0.9", protocol: 17, payload: udp(1, 2) })],
    ["IPv6 multicast", packet({ ...V6, destination: "ff05::2", protocol: 17, payload: udp(1, 2) })],
    ["broadcast", packet({ ...V4, destination: "255.255.255.255", protocol: 17, payload: udp(1, 2) })],
    ["group frames", packet({ ...V4, protocol: 17, payload: udp(1, 2), ethernetDestination: "ff:ff:ff:ff:ff:ff" })],
    ["source 0.0.0.0", packet({ ...V4, source: "0.0.0.0", protocol: 17, payload: udp(1, 2) })],
    ["loopback sources", packet({ ...V4, source: "127.0.0.1", protocol: 17, payload: udp(1, 2) })],
    ["multicast sources", packet({ ...V4, source: "239.1.1.1", protocol: 17, payload: udp(1, 2) })],
    ["source ::", packet({ ...V6, source: "::", protocol: 17, payload: udp(1, 2) })],
  ];

  for (const [what, frame] of silent) {
    test(`are never sent about ${what}`, () => {
      expect(answer(frame, "no-route")).toBeUndefined();
    });
  }

  test("are sent about echo requests and first fragments", () => {
    expect(answer(packet({ ...V4, protocol: 1, payload: icmp(8, 0) }), "ttl-expired")).toBeDefined();
    expect(answer(packet({ ...V6, protocol: 58, payload: icmp(128, 0) }), "ttl-expired")).toBeDefined();
    expect(answer(packet({ ...V4, protocol: 17, payload: udp(1, 2), fragment: 0x2000 }), "no-route")).toBeDefined();
  });

  test("are limited for each interface, and allowed again later", () => {
    worker = new FakeWorker({ errorRate: 10, errorBurst: 3 });
    const frame = packet({ ...V4, protocol: 17, payload: udp(1, 2) });
    const sent = (count: number, meta: Meta = {}) => {
      for (let i = 0; i < count; i++) worker.receive(frame, { reason: "no-route", ...meta });
      worker.poll();
      return worker.sent().length;
    };
    expect(sent(5)).toBe(3);
    expect(sent(5, { interface: 2 })).toBe(3);
    worker.advance(200);
    expect(sent(5)).toBe(2);
    worker.advance(10_000);
    expect(sent(5)).toBe(3);
    worker.poll();
    expect(worker.framesOut).toBe(0);
  });

  test("come from the node's address where the interface has none that the receiver reaches", () => {
    const frame = packet({ ...V4, protocol: 17, payload: udp(1, 2) });
    worker.setInterface(1, 0, { role: 2 });
    expect(answer(frame, "no-route")).toBeUndefined();
    worker.setControl("nodeAddress4", 0xc0000201);
    readError4(answer(frame, "no-route") as Uint8Array, "192.0.2.1", V4.source);
    worker.setInterface(1, 0, { role: 2, gateway4: 0x0a6100fe });
    readError4(answer(frame, "no-route") as Uint8Array, "10.97.0.254", V4.source);
  });
});

describe("rejected packets", () => {
  beforeEach(() => {
    worker.setPolicy(compilePolicy({ revision: 1, sets: [[{ name: "p", rules: [{ action: "reject" }] }]] }));
    worker.setInterface(2, 1);
  });

  test("that are not TCP are answered as administratively prohibited", () => {
    const four = packet({ ...V4, protocol: 17, payload: udp(1, 2) });
    expect(readError4(answer(four, "flow-miss") as Uint8Array, "169.254.1.1", V4.source)).toMatchObject({
      type: 3,
      code: 13,
    });
    const six = packet({ ...V6, protocol: 17, payload: udp(1, 2) });
    const error6 = answer(six, "flow-miss", { generation: 2 }) as Uint8Array;
    expect(readError6(error6, "fe80::1", V6.source)).toMatchObject({ type: 1, code: 1 });
  });

  const segment = (o: Parameters<typeof tcp>[2]) =>
    packet({ ...V4, protocol: 6, payload: tcp(40000, 80, o), padding: 6 });

  function readReset(frame: Uint8Array, source: string, destination: string) {
    const v4 = source.includes(".");
    const ip = frame.slice(14);
    const segment = ip.slice(v4 ? 20 : 40);
    expect(segment).toHaveLength(20);
    if (v4) expect(referenceChecksum(ip.slice(0, 20))).toBe(0);
    const pseudo = pseudoHeader(source, destination, 6, 20);
    expect(referenceChecksum(Uint8Array.from([...pseudo, ...segment]))).toBe(0);
    const view = new DataView(segment.buffer);
    return {
      ports: [view.getUint16(0), view.getUint16(2)],
      sequence: view.getUint32(4),
      acknowledgement: view.getUint32(8),
      flags: view.getUint8(13),
    };
  }

  test("a SYN is reset with the acknowledgement of what it took", () => {
    const reset = answer(segment({ sequence: 0xffff_ffff, flags: 0x02 }), "flow-miss") as Uint8Array;
    expectAddressedBack(reset);
    expect(readReset(reset, V4.destination, V4.source)).toEqual({
      ports: [80, 40000],
      sequence: 0,
      acknowledgement: 0,
      flags: 0x14,
    });
    const data = answer(segment({ sequence: 5, flags: 0x01, data: [1, 2, 3] }), "flow-miss", { generation: 2 });
    expect(readReset(data as Uint8Array, V4.destination, V4.source).acknowledgement).toBe(5 + 3 + 1);
  });

  test("a segment that acknowledges is reset with its own sequence", () => {
    const reset = answer(
      segment({ sequence: 9, acknowledgement: 0x1234_5678, flags: 0x10 }),
      "flow-miss",
    ) as Uint8Array;
    expect(readReset(reset, V4.destination, V4.source)).toMatchObject({
      sequence: 0x1234_5678,
      acknowledgement: 0,
      flags: 4,
    });
  });

  test("IPv6 and options are understood", () => {
    const frame = packet({ ...V6, protocol: 6, payload: tcp(1, 2, { sequence: 7 }) });
    const reset = answer(frame, "flow-miss") as Uint8Array;
    expect(readReset(reset, V6.destination, V6.source)).toMatchObject({ acknowledgement: 8, flags: 0x14 });
    const withOptions = packet({ ...V4, protocol: 6, payload: tcp(1, 2, { sequence: 7 }), options: [1, 1, 1, 1] });
    const four = answer(withOptions, "flow-miss", { generation: 3 }) as Uint8Array;
    expect(readReset(four, V4.destination, V4.source)).toMatchObject({ acknowledgement: 8 });
  });

  test("resets and fragments are not answered", () => {
    expect(answer(segment({ flags: 0x04 }), "flow-miss")).toBeUndefined();
    const fragment = packet({ ...V4, protocol: 6, payload: tcp(1, 2), fragment: 0x2000 });
    expect(answer(fragment, "flow-miss", { generation: 2 })).toBeUndefined();
  });
});

describe("answers to packets that came out of a tunnel", () => {
  const frame = packet({ ...V4, protocol: 17, payload: udp(1, 2) });
  const ROUTE = 3;

  test.each([
    ["routed", 0, 0],
    ["bridged", TRAP_FLAG_BRIDGED, INJECT_FLAG_BRIDGED],
  ])("that were %s go by the way to its sender in the VRF", (_name, flags, injected) => {
    worker.receive(frame, { reason: "no-route", ingress: INGRESS_TUNNEL | 5, vrf: 9, flags });
    worker.poll();
    const [sent] = worker.sent();
    expect(sent).toMatchObject({ action: ROUTE, interface: 1, vrf: 9 });
    expect(sent?.flags ?? 0).toBe(injected);
    readError4(sent?.packet ?? new Uint8Array(), "169.254.1.1", V4.source);
  });

  test("are resets too", () => {
    worker.setPolicy(compilePolicy({ revision: 1, sets: [[{ name: "p", rules: [{ action: "reject" }] }]] }));
    worker.setInterface(2, 1);
    worker.receive(packet({ ...V4, protocol: 6, payload: tcp(1, 2, { sequence: 7 }) }), {
      ingress: INGRESS_TUNNEL | 5,
      vrf: 9,
    });
    worker.poll();
    expect(worker.sent()).toMatchObject([{ action: ROUTE, interface: 1, vrf: 9 }]);
  });
});
