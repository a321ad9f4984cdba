// SPDX-License-Identifier: Apache-2.0
/** Traps that are raised only where the controller takes them, and the one that a next hop asks for. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  ADDRESS_GATEWAY,
  ADDRESS_OWN,
  INTERFACE_BRIDGE_LEARN,
  INTERFACE_POLICY,
  INTERFACE_SOURCE_CHECK,
  InterfaceRoleValue,
  type TrapReason,
  TrapReasonValue,
} from "../../sdk/layout/generated.ts";
import { V4, V6 } from "./pipeline_frames.ts";
import { hooks, LOOPBACK, Pipeline } from "./pipeline_harness.ts";
import { trapOf } from "./pipeline_outcome.ts";
import { vrfCounter } from "./pipeline_overlay.ts";
import { arp, BROADCAST, GATEWAY_MAC, ip, MAC_A, MAC_B, solicitation, udp } from "./pipeline_packets.ts";
import { u32, u32s } from "./pipeline_table.ts";

const FABRIC = 4;
const TRAP = 20;
const GATEWAY = "10.97.0.254";
const GATEWAY6 = "fe80::1";
const UNDERLAY = "192.0.2.1";
const STRANGER = "10.97.0.77";
const STRANGER6 = "fd00:97::77";
const STRANGER_MAC = "02:00:00:00:99:01";

const bits = (...reasons: readonly TrapReason[]): number =>
  reasons.reduce((sum, reason) => sum | (1 << TrapReasonValue[reason]), 0);
const OPTIONAL = bits("source-mismatch", "ip-learn", "bfd");

let pipeline: Pipeline;

beforeAll(() => {
  pipeline = new Pipeline();
  pipeline.addInterface(2, { mac: MAC_B });
  pipeline.setNexthop(TRAP, "trap");
  for (const address of ["10.97.0.1", "fd00:97::1"]) pipeline.addAddress(1, address, ADDRESS_OWN);
  for (const address of [GATEWAY, GATEWAY6]) pipeline.addAddress(1, address, ADDRESS_GATEWAY);
  for (const prefix of ["10.97.0.2/32", "fd00:97::2/128", "10.97.0.0/24", "fd00:97::/64"])
    pipeline.addRoute(1, prefix, 2);
  for (const prefix of ["10.97.9.0/24", "fd00:97:9::/64"]) pipeline.addRoute(1, prefix, 1);
  for (const prefix of ["10.98.0.0/16", "fd00:98::/32"]) pipeline.addRoute(1, prefix, TRAP);
});
afterAll(() => pipeline[Symbol.dispose]());
beforeEach(() => {
  pipeline.clear();
  pipeline.configure({ trapRate: 0 });
  for (const { key } of pipeline.map("told_addresses").entries()) pipeline.map("told_addresses").delete(key.slice());
  for (const { key } of pipeline.map("fdb").entries()) pipeline.map("fdb").delete(key.slice());
  pipeline.addBridgeEntry(1, MAC_B, 2);
  pipeline.controllerStarts();
  pipeline.receiveOn(1);
  return () => pipeline.controllerStops();
});

function interfaceWith(flags: number, traps: number): void {
  pipeline.addInterface(1, { ...(flags & INTERFACE_BRIDGE_LEARN ? {} : { mac: MAC_A }), flags, traps });
}

const bfd = (o: { source: string; destination: string; port?: number; ttl?: number }): Uint8Array =>
  udp({ ...o, sourcePort: 49152, destinationPort: o.port ?? 3784, ttl: o.ttl ?? 255, payload: new Uint8Array(24) });

describe.each(hooks)("on the %s hook", (hook) => {
  const wrongSources: readonly (readonly [string, Uint8Array])[] = [
    ["routed", udp({ ...V4, source: STRANGER })],
    ["routed, of IPv6", udp({ ...V6, source: STRANGER6 })],
    ["bridged", udp({ ...V4, source: STRANGER, to: MAC_B })],
    ["to a group", udp({ ...V4, source: STRANGER, destination: "239.1.1.1", to: "01:00:5e:01:01:01" })],
    ["from another MAC", udp({ ...V4, from: STRANGER_MAC })],
    ["ARP of another's address", arp({ sender: STRANGER, target: "10.97.0.2", to: MAC_B })],
  ];
  test.each(wrongSources)(
    "a packet from what is not its sender's own (%s) is a drop, and trapped for who takes it",
    (_name, frame) => {
      interfaceWith(INTERFACE_SOURCE_CHECK, 0);
      expect(pipeline.run(hook, frame).verdict).toBe("drop");
      expect(pipeline.drops(1)).toEqual({ "source-mismatch": 1 });
      expect(pipeline.counter(1, "trapPackets")).toBe(0);

      interfaceWith(INTERFACE_SOURCE_CHECK, OPTIONAL);
      const trap = trapOf(pipeline.run(hook, frame));
      expect(trap).toMatchObject({ reason: "source-mismatch", interface: 1, vrf: 1 });
      expect(trap?.packet).toEqual(frame);
      expect(pipeline.drops(1)).toEqual({ "source-mismatch": 2 });

      pipeline.controllerStops();
      expect(pipeline.run(hook, frame).verdict).toBe("drop");
      expect(pipeline.drops(1)).toEqual({ "source-mismatch": 3 });
    },
  );

  test("mismatches beyond the trap rate are drops alone", () => {
    interfaceWith(INTERFACE_SOURCE_CHECK, OPTIONAL);
    pipeline.configure({ trapRate: 2 });
    const frame = udp({ ...V4, source: STRANGER });
    const traps = Array.from({ length: 20 }, () => trapOf(pipeline.run(hook, frame))).filter(
      (trap) => trap !== undefined,
    );
    // Counted on each CPU by itself, and the test may change its CPU.
    expect(traps.length).toBeGreaterThanOrEqual(2);
    expect(traps.length).toBeLessThan(20);
    expect(pipeline.drops(1)).toEqual({ "source-mismatch": 20 });
  });

  const senders: [string, Uint8Array][] = [
    ["a packet", udp({ ...V4, source: STRANGER })],
    ["a packet of IPv6", udp({ ...V6, source: STRANGER6 })],
    ["a bridged one", udp({ ...V4, source: STRANGER, to: MAC_B })],
    ["an ARP request", arp({ sender: STRANGER, target: GATEWAY })],
    ["an announcement", arp({ sender: STRANGER, target: STRANGER })],
    [
      "a neighbour solicitation",
      solicitation({ source: STRANGER6, destination: GATEWAY6, target: GATEWAY6, to: GATEWAY_MAC }),
    ],
  ];
  test.each(senders)(
    "an address that is news on an interface that learns (%s) is told once, and goes on",
    (_name, frame) => {
      interfaceWith(INTERFACE_BRIDGE_LEARN, 0);
      const ordinary = [0, 1].map(() => pipeline.run(hook, frame)).at(-1);
      pipeline.clear();

      interfaceWith(INTERFACE_BRIDGE_LEARN, bits("ip-learn"));
      const trap = trapOf(pipeline.run(hook, frame));
      expect(trap).toMatchObject({ reason: "ip-learn", interface: 1 });
      expect(trap?.packet).toEqual(frame);
      // As the slow path would give it back.
      const again = pipeline.run(hook, frame);
      expect(trapOf(again)?.reason).not.toBe("ip-learn");
      expect([again.verdict, again.data]).toEqual([ordinary?.verdict ?? "other", ordinary?.data ?? new Uint8Array()]);
      expect(pipeline.counter(1, "rxPackets")).toBe(2);
    },
  );

  test("an address is told again after ten seconds", () => {
    interfaceWith(INTERFACE_BRIDGE_LEARN, bits("ip-learn"));
    const frame = udp({ ...V4, source: STRANGER });
    pipeline.run(hook, frame);
    expect(trapOf(pipeline.run(hook, frame))?.reason).toBe("ip-learn");
    const told = pipeline.map("told_addresses");
    const [entry] = told.entries();
    const second = new DataView(entry?.value.slice().buffer ?? new ArrayBuffer(4)).getUint32(0, true);
    told.update(entry?.key.slice() ?? new Uint8Array(), u32(second - 8));
    expect(trapOf(pipeline.run(hook, frame))?.reason).toBeUndefined();
    told.update([...told.entries()][0]?.key.slice() ?? new Uint8Array(), u32(second - 10));
    expect(trapOf(pipeline.run(hook, frame))?.reason).toBe("ip-learn");
  });

  const known: [string, Uint8Array][] = [
    ["its own", udp(V4)],
    ["its own of IPv6", udp(V6)],
    ["one that is routed to it", udp({ ...V4, source: "10.97.9.9" })],
    ["one that is routed to it, of IPv6", udp({ ...V6, source: "fd00:97:9::9" })],
    ["link-local", udp({ ...V4, source: "169.254.7.7" })],
    ["link-local of IPv6", udp({ ...V6, source: "fe80::7" })],
    ["the unspecified one of a probe", arp({ sender: "0.0.0.0", target: STRANGER })],
    ["the gateway's", udp({ ...V4, source: GATEWAY })],
  ];
  test.each(known)("an address that is no news (%s) is not told", (_name, frame) => {
    interfaceWith(INTERFACE_BRIDGE_LEARN, bits("ip-learn"));
    pipeline.run(hook, frame); // its MAC may be news
    expect(trapOf(pipeline.run(hook, frame))?.reason).not.toBe("ip-learn");
  });

  test("an address is heard of before its packet is refused", () => {
    interfaceWith(INTERFACE_BRIDGE_LEARN | INTERFACE_SOURCE_CHECK, bits("ip-learn"));
    const frame = udp({ ...V4, source: STRANGER });
    pipeline.run(hook, frame);
    expect(trapOf(pipeline.run(hook, frame))?.reason).toBe("ip-learn");
    expect(pipeline.run(hook, frame).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ "source-mismatch": 1 });
  });

  test("without a controller packets from new addresses go on", () => {
    interfaceWith(INTERFACE_BRIDGE_LEARN, bits("ip-learn"));
    const frame = udp({ ...V4, source: STRANGER });
    expect(trapOf(pipeline.run(hook, frame))?.reason).toBe("mac-learn");
    pipeline.controllerStops();
    expect(trapOf(pipeline.run(hook, frame))).toBeUndefined();
    expect(pipeline.drops(1)).toEqual({});
  });

  describe.each([
    ["IPv4", "10.97.0.1", GATEWAY],
    ["IPv6", "fd00:97::1", GATEWAY6],
  ])("BFD over %s", (_family, source, destination) => {
    test.each([3784, 3785, 4784])("to the gateway's port %d is the controller's where it takes it", (port) => {
      const frame = bfd({ source, destination, port });
      for (const flags of [0, INTERFACE_POLICY, INTERFACE_SOURCE_CHECK]) {
        interfaceWith(flags, bits("bfd"));
        const trap = trapOf(pipeline.run(hook, frame));
        expect(trap).toMatchObject({ reason: "bfd", interface: 1, vrf: 1 });
        expect(trap?.packet).toEqual(frame);
        interfaceWith(flags, 0);
        expect(trapOf(pipeline.run(hook, frame))?.reason).not.toBe("bfd");
      }
    });

    test("is a drop without a controller, and with a hop limit of 1 as good as with another", () => {
      interfaceWith(0, bits("bfd"));
      const frame = bfd({ source, destination, port: 4784, ttl: 1 });
      expect(trapOf(pipeline.run(hook, frame))?.reason).toBe("bfd");
      pipeline.controllerStops();
      expect(pipeline.run(hook, frame).verdict).toBe("drop");
      expect(pipeline.drops(1)).toEqual({ "no-controller": 1 });
    });

    test("to somebody else, to another port, or from a wrong source is no trap", () => {
      interfaceWith(INTERFACE_SOURCE_CHECK, bits("bfd"));
      const other = source === "10.97.0.1" ? "10.97.0.2" : "fd00:97::2";
      expect(trapOf(pipeline.run(hook, bfd({ source, destination: other })))).toBeUndefined();
      expect(trapOf(pipeline.run(hook, bfd({ source, destination, port: 3786 })))?.reason).not.toBe("bfd");
      expect(
        trapOf(pipeline.run(hook, bfd({ source: source === "10.97.0.1" ? STRANGER : STRANGER6, destination }))),
      ).toBeUndefined();
      expect(pipeline.drops(1)).toMatchObject({ "source-mismatch": 1 });
    });
  });

  test("BFD to a tunnel end is the host's, or the controller's where it takes it", () => {
    pipeline.map("underlay_addresses").update(Uint8Array.from([...new Uint8Array(10), 255, 255, 192, 0, 2, 1]), u32(1));
    pipeline.receiveOn(FABRIC);
    const fabric = { vrf: 99, role: InterfaceRoleValue.fabric, ifindex: LOOPBACK };
    const to = "02:00:00:00:00:99";
    const frame = udp({ source: "192.0.2.9", destination: UNDERLAY, destinationPort: 3784, ttl: 255, to });
    pipeline.addInterface(FABRIC, fabric);
    expect(pipeline.run(hook, frame).verdict).toBe("pass");
    pipeline.addInterface(FABRIC, { ...fabric, traps: bits("bfd") });
    expect(trapOf(pipeline.run(hook, frame))).toMatchObject({ reason: "bfd", interface: FABRIC });
    const elsewhere = udp({ source: "192.0.2.9", destination: "192.0.2.77", destinationPort: 3784, ttl: 255, to });
    expect(pipeline.run(hook, elsewhere).verdict).toBe("pass");
  });

  test.each([
    ["IPv4", udp({ ...V4, destination: "10.98.0.1" })],
    ["IPv6", udp({ ...V6, destination: "fd00:98::1" })],
    ["IPv4, the last hop", udp({ ...V4, destination: "10.98.0.1", ttl: 1 })],
  ])("what a next hop of type trap gets (%s) is trapped as it came, for the trap user", (_name, frame) => {
    interfaceWith(0, 0);
    const before = vrfCounter(pipeline, 1, "trap");
    const trap = trapOf(pipeline.run(hook, frame));
    expect(trap).toMatchObject({ reason: "user", interface: 1, vrf: 1, nexthop: TRAP });
    expect(trap?.packet).toEqual(frame);
    expect(vrfCounter(pipeline, 1, "trap") - before).toBe(1);
    pipeline.controllerStops();
    expect(pipeline.run(hook, frame).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ "no-controller": 1 });
  });

  test("bridge entries lead to the trap user too, of frames that are not IP and of groups", () => {
    interfaceWith(0, 0);
    pipeline.addBridgeEntry(1, STRANGER_MAC, TRAP);
    pipeline.addBridgeEntry(1, BROADCAST, TRAP);
    for (const frame of [
      udp({ ...V4, to: STRANGER_MAC }),
      ip(132, new Uint8Array(12), { ...V4, destination: "255.255.255.255", to: BROADCAST }),
      arp({ sender: STRANGER, target: STRANGER, to: STRANGER_MAC }),
    ]) {
      expect(trapOf(pipeline.run(hook, frame))).toMatchObject({ reason: "user", interface: 1, nexthop: TRAP });
    }
  });

  test("a flow whose decision names it is trapped packet by packet", () => {
    interfaceWith(INTERFACE_POLICY, 0);
    pipeline.decide({ source: V4.source, destination: V4.destination, protocol: 17 }, { nexthop: TRAP });
    for (let i = 0; i < 3; i++) expect(trapOf(pipeline.run(hook, udp(V4)))).toMatchObject({ reason: "user" });
    expect(pipeline.counter(1, "flowHits")).toBe(3);
  });

  test("of a label or VNI that leads to it too", () => {
    pipeline.map("underlay_addresses").update(Uint8Array.from([...new Uint8Array(10), 255, 255, 192, 0, 2, 1]), u32(1));
    pipeline.map("low_labels").update(u32(100), u32s(TRAP, 0, 1, 0));
    pipeline.receiveOn(FABRIC);
    pipeline.addInterface(FABRIC, { vrf: 99, role: InterfaceRoleValue.fabric });
    const inner = udp(V4).subarray(14);
    const payload = Uint8Array.from([0, 6, 0x41, 64, ...inner]);
    const outer = { source: "192.0.2.9", destination: UNDERLAY, destinationPort: 6635, payload };
    const trap = trapOf(pipeline.run(hook, udp({ ...outer, to: "02:00:00:00:00:99" })));
    expect(trap).toMatchObject({ reason: "user", interface: FABRIC, nexthop: TRAP });
    expect(trap?.packet.subarray(14)).toEqual(inner);
  });
});
