// SPDX-License-Identifier: Apache-2.0
/** Routing, bridging and everything that is dropped on the way, on both hooks. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  ADDRESS_GATEWAY,
  ADDRESS_OWN,
  INTERFACE_LEARN_MAC,
  INTERFACE_MAC_LEARNED,
  INTERFACE_SOURCE_CHECK,
  InterfaceRoleValue,
  NEXTHOP_FLAG_DOWN,
  NEXTHOP_FLAG_PEER,
  NEXTHOP_FLAG_RESOLVE,
  ROUTE_DEFAULT,
} from "../../sdk/layout/generated.ts";
import { extensions, routable, V4, V6 } from "./pipeline_frames.ts";
import { hooks, Pipeline } from "./pipeline_harness.ts";
import { trapOf } from "./pipeline_outcome.ts";
import {
  arp,
  BROADCAST,
  checksumsAreRight,
  concat,
  ethernet,
  GATEWAY_MAC,
  icmpError,
  ip,
  ipPacket,
  MAC_A,
  MAC_B,
  macBytes,
  TCP_SYN,
  tcp,
  udp,
  udpSegment,
} from "./pipeline_packets.ts";

let pipeline: Pipeline;

beforeAll(() => {
  pipeline = new Pipeline();
});
afterAll(() => pipeline[Symbol.dispose]());
beforeEach(() => {
  pipeline.clear();
  pipeline.controllerStops();
  pipeline.configure({ trapRate: 0 });
  pipeline.addInterface(1, { mac: MAC_A });
  pipeline.addInterface(2, { mac: MAC_B, nexthopFlags: NEXTHOP_FLAG_PEER });
  pipeline.setNexthop(10, "local");
  pipeline.setNexthop(11, "discard");
  pipeline.setNexthop(12, "resolve", { interface: 2 });
  pipeline.setNexthop(13, "interface", { interface: 2, flags: NEXTHOP_FLAG_RESOLVE });
  pipeline.setNexthop(14, "interface", { interface: 2, flags: NEXTHOP_FLAG_DOWN, mac: MAC_B });
  pipeline.setNexthop(15, "interface", { interface: 2, mac: MAC_B, mtu: 100 });
  pipeline.setNexthop(16, "none");
  pipeline.receiveOn(1);
  pipeline.addRoute(1, "10.97.0.2/32", 2);
  pipeline.addRoute(1, "fd00:97::2/128", 2);
  for (const [index, nexthop] of [10, 11, 12, 13, 14, 15, 16].entries()) {
    pipeline.addRoute(1, `10.98.${index}.0/24`, nexthop);
    pipeline.addRoute(1, `fd00:98:${index}::/48`, nexthop);
  }
  pipeline.addBridgeEntry(1, MAC_B, 2);
});

/** The frame as it has to leave: new MACs, TTL less one; the IPv4 checksum is verified apart. */
function routed(frame: Uint8Array, to = MAC_B): Uint8Array {
  const expected = concat(macBytes(to), macBytes(GATEWAY_MAC), frame.subarray(12));
  const ttl = frame[12] === 0x86 ? 21 : 22;
  expected[ttl] = (expected[ttl] ?? 0) - 1;
  return expected;
}

function withoutIpv4Checksum(frame: Uint8Array): Uint8Array {
  const copy = frame.slice();
  if (copy[12] === 0x08) copy.fill(0, 24, 26);
  return copy;
}

describe.each(hooks)("on the %s hook", (hook) => {
  test.each(routable)("%s is routed with new MACs and one hop less, checksums right", (_name, frame) => {
    const { verdict, data } = pipeline.run(hook, frame);
    expect(verdict).toBe("out");
    expect(withoutIpv4Checksum(data)).toEqual(withoutIpv4Checksum(routed(frame)));
    if (checksumsAreRight(frame)) expect(checksumsAreRight(data)).toBe(true);
    expect(pipeline.drops(1)).toEqual({});
    expect(pipeline.counter(1, "rxPackets")).toBe(1);
    expect(pipeline.counter(1, "rxBytes")).toBe(frame.length);
    expect(pipeline.counter(2, "txPackets")).toBe(1);
    expect(pipeline.counter(2, "txBytes")).toBe(frame.length);
  });

  test.each(extensions)("IPv6 with %s is routed", (_name, firstExtension, header) => {
    const frame = udp({ ...V6, options: Uint8Array.from(header), firstExtension });
    const { verdict, data } = pipeline.run(hook, frame);
    expect(verdict).toBe("out");
    expect(data).toEqual(routed(frame));
  });

  test("a later IPv6 fragment is routed where policy is off", () => {
    const options = Uint8Array.from([17, 0, 0, 0x10, 0, 0, 0, 1]);
    const frame = ip(17, new Uint8Array(16), { ...V6, options, firstExtension: 44 });
    expect(pipeline.run(hook, frame)).toMatchObject({ verdict: "out", data: routed(frame) });
  });

  test("nine extension headers are too many", () => {
    const options = Uint8Array.from(
      Array.from({ length: 9 }, (_, i) => [i === 8 ? 17 : 60, 0, 1, 4, 0, 0, 0, 0]).flat(),
    );
    expect(pipeline.run(hook, udp({ ...V6, options, firstExtension: 60 })).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ "invalid-packet": 1 });
  });

  test("padding behind a short IP packet does not make it invalid", () => {
    const frame = concat(udp(V4), new Uint8Array(10));
    expect(pipeline.run(hook, frame).verdict).toBe("out");
  });

  test.each([
    ["IPv4 UDP", udp(V4)],
    ["IPv6 TCP", tcp({ ...V6, flags: TCP_SYN })],
    ["IPv4 with options", udp({ ...V4, options: new Uint8Array(12).fill(1) })],
    [
      "IPv6 with extension headers",
      udp({ ...V6, options: Uint8Array.from(extensions[7]?.[2] ?? []), firstExtension: 0 }),
    ],
    ["an ICMP error", icmpError(11, 0, ipPacket(17, udpSegment(V4), V4), V4)],
    ["an ICMPv6 error", icmpError(3, 0, ipPacket(17, udpSegment(V6), V6), V6)],
    ["two VLAN tags", udp({ ...V4, vlans: [10, 20] })],
  ])("%s cut at each length is dropped as invalid and never passed on", (_name, frame) => {
    // The kernel makes no skb of an IP packet without its whole header.
    const first = hook === "xdp" || frame[12] === 0x81 ? 14 : frame[12] === 0x86 ? 54 : 34;
    for (let length = first; length < frame.length; length++) {
      pipeline.clear();
      const { verdict } = pipeline.run(hook, frame.subarray(0, length));
      expect({ length, verdict }).toEqual({ length, verdict: "drop" });
      const drops = { ...pipeline.drops(0), ...pipeline.drops(1) };
      expect(Object.values(drops)).toEqual([1]);
    }
  });

  test.each([
    ["a version of 5", udp(V4), 14, 0x55],
    ["a header of 16 bytes", udp(V4), 14, 0x44],
    ["a total length of 2", udp(V4), 17, 2],
    ["a total length beyond the frame", udp(V4), 16, 9],
    ["a payload length beyond the frame", udp(V6), 18, 9],
    ["an IPv6 version of 4", udp(V6), 14, 0x40],
    ["a TCP header of 16 bytes", tcp({ ...V4, flags: TCP_SYN }), 46, 0x40],
  ])("%s is invalid", (_name, good, offset, value) => {
    const frame = good.slice();
    frame[offset] = value;
    expect(pipeline.run(hook, frame).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ "invalid-packet": 1 });
  });

  test("a wrong IPv4 header checksum is a drop of its own", () => {
    const frame = udp(V4);
    frame[24] = (frame[24] ?? 0) ^ 1;
    expect(pipeline.run(hook, frame).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ checksum: 1 });
  });

  test.each([
    ["without a route", udp({ ...V4, destination: "192.0.2.1" }), "no-route"],
    ["without an IPv6 route", udp({ ...V6, destination: "2001:db8::1" }), "no-route"],
    ["to a discard route", udp({ ...V4, destination: "10.98.1.1" }), "discard"],
    ["to an IPv6 discard route", udp({ ...V6, destination: "fd00:98:1::1" }), "discard"],
    ["to a next hop that is gone", udp({ ...V4, destination: "10.98.6.1" }), "no-nexthop"],
    ["to a next hop that is down", udp({ ...V4, destination: "10.98.4.1" }), "no-nexthop"],
    ["with a TTL of 1", udp({ ...V4, ttl: 1 }), "ttl-expired"],
    ["with a TTL of 0", udp({ ...V4, ttl: 0 }), "ttl-expired"],
    ["with a hop limit of 1", udp({ ...V6, ttl: 1 }), "ttl-expired"],
    [
      "larger than the next hop's MTU",
      udp({ ...V4, destination: "10.98.5.1", fragment: 0x4000, payload: new Uint8Array(80) }),
      "packet-too-big",
    ],
    ["to an unknown MAC", udp({ ...V4, to: "02:00:00:00:09:09" }), "unknown-unicast"],
    ["to the broadcast MAC", udp({ ...V4, to: BROADCAST }), "broadcast"],
    ["to a multicast address by the gateway", udp({ ...V4, destination: "224.0.0.5" }), "broadcast"],
    ["of an unknown Ethernet type to the gateway", ethernet(0x88cc, new Uint8Array(46)), "unsupported-protocol"],
    ["with three VLAN tags", udp({ ...V4, vlans: [0, 1, 2] }), "unsupported-protocol"],
    [
      "that nobody is there to fragment",
      udp({ ...V4, destination: "10.98.5.1", payload: new Uint8Array(80) }),
      "no-controller",
    ],
    ["to a neighbour that nobody looks for", udp({ ...V4, destination: "10.98.3.1" }), "no-controller"],
  ] as const)("a packet %s is dropped for that reason", (_name, frame, reason) => {
    expect(pipeline.run(hook, frame).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ [reason]: 1 });
  });

  test("what comes from an unknown device or VLAN is dropped at interface 0", () => {
    expect(pipeline.run(hook, udp({ ...V4, vlans: [99] })).verdict).toBe("drop");
    expect(pipeline.drops(0)).toEqual({ "unknown-interface": 1 });
  });

  test.each([
    ["ttl-expired", udp({ ...V4, ttl: 1 }), "ttl-expired"],
    ["no-route", udp({ ...V6, destination: "2001:db8::1" }), "no-route"],
    [
      "packet-too-big",
      udp({ ...V4, destination: "10.98.5.1", fragment: 0x4000, payload: new Uint8Array(80) }),
      "packet-too-big",
    ],
  ] as const)("with a controller, %s is a counted drop and a trap", (reason, frame, trapReason) => {
    pipeline.controllerStarts();
    const trap = trapOf(pipeline.run(hook, frame));
    expect(trap?.reason).toBe(trapReason);
    expect(trap?.interface).toBe(1);
    expect(trap?.l3Offset).toBe(14);
    expect(trap?.packet).toEqual(frame);
    expect(pipeline.drops(1)).toEqual({ [reason]: 1 });
    expect(pipeline.counter(1, "trapPackets")).toBe(1);
    expect(pipeline.counter(1, "trapBytes")).toBe(frame.length);
  });

  test("a next hop without a MAC is a trap, and no drop", () => {
    pipeline.controllerStarts();
    for (const destination of ["10.98.2.1", "10.98.3.1"]) {
      const trap = trapOf(pipeline.run(hook, udp({ ...V4, destination })));
      expect(trap?.reason).toBe("resolve");
    }
    expect(pipeline.drops(1)).toEqual({});
  });

  test("traps that anybody can cause are limited for each interface", () => {
    pipeline.controllerStarts();
    pipeline.configure({ trapRate: 5 });
    let traps = 0;
    for (let i = 0; i < 20; i++) if (trapOf(pipeline.run(hook, udp({ ...V4, ttl: 1 })))) traps++;
    // Counted on each CPU by itself, and the test may change its CPU.
    expect(traps).toBeGreaterThanOrEqual(5);
    expect(traps).toBeLessThan(20);
    expect(pipeline.drops(1)).toEqual({ "ttl-expired": 20 });
  });

  test("what is for the host goes to its stack with the device's MAC and its TTL", () => {
    const frame = udp({ ...V4, destination: "10.98.0.1", ttl: 1 });
    const { verdict, data, metadata } = pipeline.run(hook, frame);
    expect(verdict).toBe("pass");
    expect(data).toEqual(concat(macBytes("02:00:00:00:00:99"), frame.subarray(6)));
    // Tells the TC program on the same device that XDP has decided.
    expect(metadata.length).toBe(hook === "xdp" ? 8 : 0);
    expect(pipeline.counter(1, "localPackets")).toBe(1);
  });

  test("a frame to another workload's MAC is bridged as it is", () => {
    const frame = udp({ ...V4, to: MAC_B, ttl: 1 });
    expect(pipeline.run(hook, frame)).toMatchObject({ verdict: "out", data: frame });
    const other = ethernet(0x88cc, new Uint8Array(46), { to: MAC_B });
    expect(pipeline.run(hook, other)).toMatchObject({ verdict: "out", data: other });
    expect(pipeline.counter(2, "txPackets")).toBe(2);
  });

  test("the longest prefix of the interface's own VRF decides", () => {
    pipeline.addRoute(1, "0.0.0.0/0", 11, ROUTE_DEFAULT);
    pipeline.addRoute(2, "198.51.100.0/24", 2);
    pipeline.addRoute(1, "203.0.113.0/24", 11);
    pipeline.addRoute(1, "203.0.113.7/32", 2);
    expect(pipeline.run(hook, udp({ ...V4, destination: "203.0.113.7" })).verdict).toBe("out");
    expect(pipeline.run(hook, udp({ ...V4, destination: "203.0.113.8" })).verdict).toBe("drop");
    expect(pipeline.run(hook, udp({ ...V4, destination: "198.51.100.1" })).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ discard: 2 });
    // A default route does not lead to link-local addresses.
    expect(pipeline.run(hook, udp({ ...V4, destination: "169.254.7.7" })).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ discard: 2, "no-route": 1 });
    pipeline.map("routes4").delete(concat([32, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]));
  });

  test("a VLAN tag chooses the interface and goes when the packet leaves", () => {
    pipeline.addInterface(3, { mac: MAC_A, vrf: 1, vlan: 30 });
    pipeline.receiveOn(3, 30);
    for (const vlans of [[30], [30, 40]]) {
      const { verdict, data } = pipeline.run(hook, udp({ ...V4, vlans }));
      expect(verdict).toBe("out");
      expect(checksumsAreRight(data)).toBe(true);
      expect(withoutIpv4Checksum(data)).toEqual(withoutIpv4Checksum(routed(udp(V4))));
    }
    expect(pipeline.counter(3, "rxPackets")).toBe(2);
    expect(pipeline.counter(1, "rxPackets")).toBe(0);
  });

  test("a priority tag is no VLAN", () => {
    const { verdict, data } = pipeline.run(hook, udp({ ...V4, vlans: [0] }));
    expect(verdict).toBe("out");
    expect(data.length).toBe(udp(V4).length);
    expect(pipeline.counter(1, "rxPackets")).toBe(1);
  });

  test("a packet to a VLAN interface gets its tag", () => {
    pipeline.addInterface(4, { mac: MAC_B, vlan: 77 });
    pipeline.addRoute(1, "10.99.0.1/32", 4);
    const { verdict, data } = pipeline.run(hook, udp({ ...V4, destination: "10.99.0.1" }));
    expect(verdict).toBe("out");
    // On TC the tag lies beside the frame.
    if (hook === "xdp") expect(data.subarray(12, 18)).toEqual(Uint8Array.from([0x81, 0, 0, 77, 8, 0]));
    expect(pipeline.counter(4, "txPackets")).toBe(1);
  });

  test("the MAC of a workload that did not say it is learned from its first frame", () => {
    pipeline.addInterface(5, { flags: INTERFACE_LEARN_MAC, nexthopFlags: NEXTHOP_FLAG_RESOLVE });
    pipeline.receiveOn(5);
    pipeline.addRoute(1, "10.99.5.5/32", 5);
    pipeline.run(hook, udp({ ...V4, from: GATEWAY_MAC }));
    expect(pipeline.interfaceFlags(5) & INTERFACE_MAC_LEARNED).toBe(0);
    pipeline.run(hook, arp({ sender: "10.99.5.5", target: "10.99.5.5", from: "02:00:00:00:05:05" }));
    expect(pipeline.interfaceFlags(5) & INTERFACE_MAC_LEARNED).toBe(INTERFACE_MAC_LEARNED);
    expect(pipeline.interfaceMac(5)).toEqual(macBytes("02:00:00:00:05:05"));
    expect(pipeline.nexthopMac(5)).toEqual(macBytes("02:00:00:00:05:05"));
    pipeline.receiveOn(1);
    const { verdict, data } = pipeline.run(hook, udp({ ...V4, destination: "10.99.5.5" }));
    expect(verdict).toBe("out");
    expect(data.subarray(0, 6)).toEqual(macBytes("02:00:00:00:05:05"));
  });

  test("a workload sends only from its own addresses and MAC", () => {
    pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_SOURCE_CHECK });
    pipeline.addAddress(1, V4.source, ADDRESS_OWN);
    pipeline.addAddress(1, V6.source, ADDRESS_OWN);
    pipeline.addAddress(1, "169.254.1.1", ADDRESS_GATEWAY);
    const verdicts = (frames: readonly Uint8Array[]) => frames.map((frame) => pipeline.run(hook, frame).verdict);
    expect(
      verdicts([udp(V4), udp(V6), udp({ ...V4, source: "169.254.9.9" }), udp({ ...V6, source: "fe80::9" })]),
    ).toEqual(["out", "out", "out", "out"]);
    expect(
      verdicts([
        udp({ ...V4, source: "10.97.0.9" }),
        udp({ ...V6, source: "fd00:97::9" }),
        udp({ ...V4, from: MAC_B }),
        udp({ ...V4, source: "169.254.1.1" }),
        ethernet(0x88cc, new Uint8Array(46), { to: MAC_B, from: MAC_B }),
      ]),
    ).toEqual(["drop", "drop", "drop", "drop", "drop"]);
    expect(pipeline.drops(1)).toEqual({ "source-mismatch": 5 });
  });

  test("a DHCP request is for the controller", () => {
    const frame = udp({
      source: "0.0.0.0",
      destination: "255.255.255.255",
      sourcePort: 68,
      destinationPort: 67,
      to: BROADCAST,
    });
    expect(pipeline.run(hook, frame).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ "no-controller": 1 });
    pipeline.controllerStarts();
    expect(trapOf(pipeline.run(hook, frame))?.reason).toBe("dhcp");
  });

  test("on a fabric device the host keeps its ARP, its group frames and its own addresses", () => {
    pipeline.addInterface(6, { role: InterfaceRoleValue.fabric, vrf: 9 });
    pipeline.receiveOn(6);
    pipeline.addRoute(9, "10.97.0.2/32", 2);
    const host = "02:00:00:00:00:99";
    for (const frame of [
      arp({ sender: "192.0.2.1", target: "192.0.2.2" }),
      udp({ ...V4, to: BROADCAST }),
      udp({ ...V4, destination: "192.0.2.1", to: host }),
      ethernet(0x88cc, new Uint8Array(46), { to: "01:80:c2:00:00:0e" }),
    ])
      expect(pipeline.run(hook, frame)).toMatchObject({ verdict: "pass", data: frame });
    expect(pipeline.run(hook, udp({ ...V4, to: host })).verdict).toBe("out");
    expect(pipeline.counter(6, "localPackets")).toBe(4);
    expect(pipeline.drops(6)).toEqual({});
  });
});
