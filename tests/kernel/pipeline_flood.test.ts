// SPDX-License-Identifier: Apache-2.0
/** Frames to many: broadcast, unknown unicast, and what is learned from who sends. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  FDB_LEARNED,
  fdbEntryCodec,
  INTERFACE_BRIDGE_LEARN,
  INTERFACE_SOURCE_CHECK,
  InterfaceRoleValue,
  TRAP_FLAG_MOVED,
} from "../../sdk/layout/generated.ts";
import { hooks, Pipeline } from "./pipeline_harness.ts";
import { trapOf } from "./pipeline_outcome.ts";
import {
  addUnderlayAddress,
  addVni,
  setGroup,
  setTunnel,
  setVrf,
  setVrfNexthop,
  vrfCounter,
} from "./pipeline_overlay.ts";
import { arp, BROADCAST, concat, ethernet, ip, MAC_A, MAC_B, macBytes, udp } from "./pipeline_packets.ts";
import { FABRIC_MAC, outerHeaders, PEER_MAC, tunnelCases, tunnelId } from "./pipeline_tunnels.ts";
import { SCAPY_TIMEOUT_MS, scapyPackets } from "./scapy.ts";
import { VethWires } from "./veth_wires.ts";

const FABRIC = 4;
const FLOOD = 60;
const UPLINK = 50;
const GROUP = "01:00:5e:01:02:03";
const UNKNOWN = "02:00:00:00:0f:0f";
/** Smallest headers first, as the ABI asks for. */
const tunnels = ["mpls-gre over IPv4", "mpls-udp over IPv4", "vxlan over IPv4", "vxlan over IPv6"].map((name) => {
  const found = tunnelCases.find((o) => o.name === name);
  if (found === undefined) throw new Error(name);
  return found;
});
const request = arp({ sender: "10.97.0.1", target: "10.97.0.9" });

let pipeline: Pipeline;
let wires: VethWires;
let packets: Record<string, Uint8Array>;

beforeAll(() => {
  pipeline = new Pipeline();
  wires = new VethWires(4);
  const frame = `Ether(src="${MAC_A}",dst="${BROADCAST}")/ARP(op=1,hwsrc="${MAC_A}",psrc="10.97.0.1",pdst="10.97.0.9")`;
  const texts: Record<string, string> = {};
  for (const o of tunnels) {
    texts[o.name] = `${outerHeaders(o, { labelTtl: 64 })}/${frame}`;
    texts[`in ${o.name}`] = `${outerHeaders(o, { labelTtl: 64, reverse: true })}/${frame}`;
  }
  const vxlan = tunnels[2];
  if (vxlan === undefined) throw new Error("no case");
  const outer = (reverse: boolean) => outerHeaders(vxlan, { reverse });
  texts["unicast in vxlan"] =
    `${outer(true)}/Ether(src="${MAC_A}",dst="${MAC_B}")/IP(src="10.97.0.1",dst="10.97.0.2",id=0x1234)/UDP(sport=1000,dport=2000)/bytes(range(1,9))`;
  texts["ARP question"] = `${outer(true)}/${frame}`;
  texts["ARP answer"] =
    `${outer(false)}/Ether(src="${MAC_B}",dst="${MAC_A}")/ARP(op=2,hwsrc="${MAC_B}",psrc="10.97.0.9",hwdst="${MAC_A}",pdst="10.97.0.1")`;
  texts["ND question"] =
    `${outer(true)}/Ether(src="${MAC_A}",dst="33:33:ff:00:00:09")/IPv6(src="fd00:97::1",dst="ff02::1:ff00:9",hlim=255)/ICMPv6ND_NS(tgt="fd00:97::9")/ICMPv6NDOptSrcLLAddr(lladdr="${MAC_A}")`;
  texts["ND answer"] =
    `${outer(false)}/Ether(src="${MAC_B}",dst="${MAC_A}")/IPv6(src="fd00:97::9",dst="fd00:97::1",hlim=255)/ICMPv6ND_NA(tgt="fd00:97::9",R=0,S=1,O=1)/ICMPv6NDOptDstLLAddr(lladdr="${MAC_B}")`;
  packets = scapyPackets(texts);
}, SCAPY_TIMEOUT_MS);
afterAll(() => {
  wires[Symbol.dispose]();
  pipeline[Symbol.dispose]();
});
beforeEach(() => {
  pipeline.clear();
  pipeline.controllerStops();
  pipeline.configure({ trapRate: 0 });
  for (const { key } of pipeline.map("fdb").entries()) pipeline.map("fdb").delete(key.slice());
  setVrf(pipeline, 1, { floodUnknown: false });
  for (const id of [1, 2, 3]) pipeline.addInterface(id, { ifindex: wires.ifindexes[id - 1] ?? 0 });
  pipeline.addInterface(FABRIC, { ifindex: wires.ifindexes[3] ?? 0, vrf: 99, role: InterfaceRoleValue.fabric });
  pipeline.setNexthop(UPLINK, "interface", { interface: FABRIC, mac: PEER_MAC, sourceMac: FABRIC_MAC });
  for (const o of tunnels) setTunnel(pipeline, tunnelId(o), { ...o, underlay: UPLINK });
  setGroup(pipeline, FLOOD, "flood", 0, [
    { nexthop: 1 },
    { nexthop: 2 },
    { nexthop: 3 },
    ...tunnels.map((o) => ({ nexthop: tunnelId(o), ...o.label })),
  ]);
  pipeline.addBridgeEntry(1, BROADCAST, FLOOD);
  addVni(pipeline, 77, 1);
  addUnderlayAddress(pipeline, "192.0.2.1");
  addUnderlayAddress(pipeline, "fd00:192::1");
  pipeline.receiveOn(1);
  for (const wire of wires.ifindexes.keys()) wires.drain(wire);
});

function flood(frame: Uint8Array): string {
  return wires.in(() => pipeline.run("tc", frame)).verdict;
}

/** The frame without what the source port and the tunnel's place in time decide. */
function withPortOf(expected: Uint8Array, actual: Uint8Array): Uint8Array {
  const at = expected[12] === 0x86 ? 54 : 34;
  if ((expected[12] === 0x86 ? expected[20] : expected[23]) !== 17) return expected;
  return concat(expected.subarray(0, at), actual.subarray(at, at + 2), expected.subarray(at + 2));
}

test("a broadcast reaches every member but its sender, each with its own headers", () => {
  expect(flood(request)).toBe("drop");
  expect(wires.received(0, 0)).toEqual([]);
  expect(wires.received(1, 1)).toEqual([request]);
  expect(wires.received(2, 1)).toEqual([request]);
  const tunnelled = wires.received(3, tunnels.length);
  expect(tunnelled.length).toBe(tunnels.length);
  tunnels.forEach((o, index) => {
    const actual = tunnelled[index] ?? new Uint8Array(0);
    expect(actual).toEqual(withPortOf(packets[o.name] ?? actual, actual));
  });
  expect(pipeline.drops(1)).toEqual({});
  expect(pipeline.counter(2, "txPackets")).toBe(1);
  expect(pipeline.counter(FABRIC, "txPackets")).toBe(tunnels.length);
});

test("an IP broadcast is copied too", () => {
  const frame = udp({ source: "10.97.0.1", destination: "255.255.255.255", to: BROADCAST });
  flood(frame);
  expect(wires.received(1, 1)).toEqual([frame]);
  const tunnelled = wires.received(3, tunnels.length);
  expect(tunnelled.length).toBe(tunnels.length);
  tunnels.forEach((o, index) => {
    expect(tunnelled[index]?.subarray(o.ethernetRoom)).toEqual(frame);
  });
});

test("a broadcast out of a tunnel reaches the workloads and no tunnel", () => {
  pipeline.receiveOn(FABRIC);
  flood(packets["in vxlan over IPv4"] ?? request);
  for (const wire of [0, 1, 2]) expect(wires.received(wire, 1)).toEqual([request]);
  expect(wires.received(3, 0)).toEqual([]);
  expect(pipeline.drops(FABRIC)).toEqual({});
});

test.each(["ARP", "ND"])("%s from another node for a workload at home here is answered into the tunnel", (name) => {
  const [, , o] = tunnels;
  if (o === undefined) throw new Error("no case");
  pipeline.receiveOn(FABRIC);
  pipeline.setNexthop(2, "interface", { interface: 2, mac: MAC_B });
  pipeline.addBridgeEntry(1, MAC_B, 2);
  pipeline.addRoute(1, "10.97.0.9/32", 2);
  pipeline.addRoute(1, "fd00:97::9/128", 2);
  const out = wires.in(() => pipeline.run("tc", packets[`${name} question`] ?? request));
  expect(pipeline.drops(FABRIC)).toEqual({});
  expect(out.verdict).toBe("out");
  const expected = packets[`${name} answer`] ?? request;
  expect(out.data.subarray(0, expected.length)).toEqual(withPortOf(expected, out.data));
  expect(wires.received(1, 0)).toEqual([]);
});

test("unknown unicast is copied where the VRF says so, and a counted drop elsewhere", () => {
  const frame = udp({ source: "10.97.0.1", destination: "10.97.0.9", to: UNKNOWN });
  expect(flood(frame)).toBe("drop");
  expect(pipeline.drops(1)).toEqual({ "unknown-unicast": 1 });
  setVrf(pipeline, 1, { floodUnknown: true });
  pipeline.clear();
  flood(frame);
  expect(wires.received(1, 1)).toEqual([frame]);
  expect(wires.received(3, tunnels.length).length).toBe(tunnels.length);
  expect(pipeline.drops(1)).toEqual({});
});

test("a group of its own goes before the broadcast entry", () => {
  setGroup(pipeline, FLOOD + 1, "flood", 20, [{ nexthop: 3 }]);
  pipeline.addBridgeEntry(1, GROUP, FLOOD + 1);
  const frame = udp({ source: "10.97.0.1", destination: "239.1.2.3", to: GROUP });
  flood(frame);
  expect(wires.received(1, 0)).toEqual([]);
  expect(wires.received(2, 1)).toEqual([frame]);
});

test("a member on a VLAN gets its tag, and the next one none", () => {
  pipeline.addInterface(2, { ifindex: wires.ifindexes[1] ?? 0, vlan: 30 });
  flood(request);
  // AF_PACKET shows the tag beside the frame.
  expect(wires.received(1, 1)).toEqual([request]);
  expect(wires.received(2, 1)).toEqual([request]);
  expect(pipeline.drops(1)).toEqual({});
});

test("a member that is gone, or whose headers are in the wrong order, is a counted drop of that copy", () => {
  const [gre, , vxlan] = tunnels;
  if (gre === undefined || vxlan === undefined) throw new Error("no case");
  setGroup(pipeline, FLOOD, "flood", 0, [
    { nexthop: 999 },
    { nexthop: 2 },
    { nexthop: tunnelId(vxlan), vni: 77 },
    { nexthop: tunnelId(gre), label: 100 },
    { nexthop: 3 },
  ]);
  flood(request);
  expect(wires.received(1, 1)).toEqual([request]);
  expect(wires.received(3, 1).length).toBe(1);
  expect(pipeline.drops(1)).toEqual({ "no-nexthop": 1, "redirect-failed": 2 });
});

describe("on the xdp hook", () => {
  test("group frames are left to the TC program, and counted once", () => {
    const out = pipeline.run("xdp", request);
    expect(out.verdict).toBe("pass");
    expect(out.data).toEqual(request);
    expect(out.metadata.length).toBe(0);
    expect(pipeline.counter(1, "rxPackets")).toBe(0);
  });

  test("so are those that a vrf or an ecmp leads to a flood, which TC alone counts", () => {
    const [inVrf, viaEcmp] = [FLOOD + 2, FLOOD + 3];
    setVrfNexthop(pipeline, inVrf, 2);
    setGroup(pipeline, viaEcmp, "ecmp", 30, [{ nexthop: FLOOD }]);
    pipeline.addBridgeEntry(1, BROADCAST, inVrf);
    pipeline.addBridgeEntry(2, BROADCAST, viaEcmp);
    const counted = () => [vrfCounter(pipeline, 1, "vrf"), vrfCounter(pipeline, 2, "ecmp")];
    const before = counted();
    expect(pipeline.run("xdp", request)).toEqual({ verdict: "pass", data: request, metadata: new Uint8Array(0) });
    expect(counted()).toEqual(before);
    flood(request);
    expect(wires.received(1, 1)).toEqual([request]);
    expect(counted()).toEqual(before.map((count) => count + 1));
    expect(pipeline.counter(1, "rxPackets")).toBe(1);
  });

  test("out of a tunnel such a frame is for TC where it came out", () => {
    const viaEcmp = FLOOD + 3;
    setGroup(pipeline, viaEcmp, "ecmp", 30, [{ nexthop: FLOOD }]);
    pipeline.addBridgeEntry(1, MAC_B, viaEcmp);
    pipeline.receiveOn(FABRIC);
    const out = pipeline.run("xdp", packets["unicast in vxlan"] ?? request);
    expect(out.verdict).toBe("pass");
    expect(out.data).toEqual(udp({ source: "10.97.0.1", destination: "10.97.0.2", to: MAC_B }));
    const [, interfaceWord] = new Uint32Array(out.metadata.slice().buffer);
    expect(interfaceWord).toBe(FABRIC);
    expect(pipeline.drops(FABRIC)).toEqual({});
  });

  test("so are those in a tunnel, as they came", () => {
    pipeline.receiveOn(FABRIC);
    const frame = packets["in vxlan over IPv4"] ?? request;
    const out = pipeline.run("xdp", frame);
    expect(out.verdict).toBe("pass");
    expect(out.data).toEqual(frame);
  });
});

describe.each(hooks)("on the %s hook", (hook) => {
  test("without an entry for it a broadcast is a counted drop", () => {
    pipeline.map("fdb").delete(concat([1, 0, 0, 0], macBytes(BROADCAST), [0, 0]));
    expect(pipeline.run(hook, request).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ broadcast: 1 });
  });

  test.each([
    ["IGMP", () => ip(2, new Uint8Array(8), { source: "10.97.0.1", destination: "224.0.0.22", to: GROUP })],
    [
      "MLD",
      () => ip(58, Uint8Array.of(143, 0, 0, 0, 0, 0, 0, 0), { source: "fe80::1", destination: "ff02::16", to: GROUP }),
    ],
  ])("%s is for the controller", (_name, frame) => {
    pipeline.controllerStarts();
    expect(trapOf(pipeline.run(hook, frame()))?.reason).toBe("igmp");
  });

  test("a workload does not broadcast from another's address", () => {
    pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_SOURCE_CHECK });
    const frame = udp({ source: "10.97.0.77", destination: "255.255.255.255", to: BROADCAST });
    expect(pipeline.run(hook, frame).verdict).toBe("drop");
    expect(pipeline.drops(1)).toEqual({ "source-mismatch": 1 });
  });

  describe("an interface that learns", () => {
    const frame = ethernet(0x88b5, new Uint8Array(46), { to: MAC_B, from: MAC_A });
    const entry = () => {
      const value = new Uint8Array(16);
      if (!pipeline.map("fdb").lookup(concat([1, 0, 0, 0], macBytes(MAC_A), [0, 0]), value)) return undefined;
      const view = new DataView(value.buffer);
      return { nexthop: fdbEntryCodec.nexthop.get(view, 0), flags: fdbEntryCodec.flags.get(view, 0) };
    };

    beforeEach(() => {
      pipeline.addInterface(1, { flags: INTERFACE_BRIDGE_LEARN });
      pipeline.addInterface(2, { flags: INTERFACE_BRIDGE_LEARN });
      pipeline.addBridgeEntry(1, MAC_B, 2);
    });

    test("puts a new source MAC into the fdb, tells it once, and goes on", () => {
      pipeline.controllerStarts();
      const trap = trapOf(pipeline.run(hook, frame));
      expect(trap?.reason).toBe("mac-learn");
      expect(trap?.packet).toEqual(frame);
      expect(entry()).toEqual({ nexthop: 1, flags: FDB_LEARNED });
      const out = pipeline.run(hook, frame);
      expect(out.verdict).toBe("out");
      expect(out.data).toEqual(frame);
    });

    test("goes on without a controller", () => {
      expect(pipeline.run(hook, frame).verdict).toBe("out");
      expect(entry()).toEqual({ nexthop: 1, flags: FDB_LEARNED });
    });

    test("takes a MAC over that moved, and tells that", () => {
      pipeline.run(hook, frame);
      pipeline.controllerStarts();
      pipeline.receiveOn(2);
      const trap = trapOf(pipeline.run(hook, ethernet(0x88b5, new Uint8Array(46), { to: MAC_B, from: MAC_A })));
      expect(trap?.reason).toBe("mac-learn");
      expect((trap?.flags ?? 0) & TRAP_FLAG_MOVED).toBe(TRAP_FLAG_MOVED);
      expect(entry()).toEqual({ nexthop: 2, flags: FDB_LEARNED });
    });

    test("leaves an entry alone that was given", () => {
      pipeline.addBridgeEntry(1, MAC_A, 3);
      pipeline.controllerStarts();
      expect(trapOf(pipeline.run(hook, frame))).toBeUndefined();
      expect(entry()).toEqual({ nexthop: 3, flags: 0 });
    });
  });
});
