// SPDX-License-Identifier: Apache-2.0
/** Copies of packets: what is copied, where the copy goes, and that the packet itself does not notice. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  INTERFACE_POLICY,
  INTERFACE_PROXY_ARP,
  InterfaceRoleValue,
  interfaceLayout,
  NEXTHOP_FLAG_POLICY,
} from "../../sdk/layout/generated.ts";
import { attachTc, type Link } from "../../sdk/libbpf/index.ts";
import { V4, V6 } from "./pipeline_frames.ts";
import { Pipeline } from "./pipeline_harness.ts";
import type { Outcome } from "./pipeline_outcome.ts";
import {
  addLabel,
  addUnderlayAddress,
  addVni,
  mirrorCounters,
  setGroup,
  setMirror,
  setTunnel,
} from "./pipeline_overlay.ts";
import { arp, concat, ethernet, GATEWAY_MAC, MAC_A, MAC_B, macBytes, TCP_ACK, tcp, udp } from "./pipeline_packets.ts";
import { FABRIC_MAC, outerHeaders, PEER_MAC, type TunnelCase, tunnelCases, tunnelId } from "./pipeline_tunnels.ts";
import { SCAPY_TIMEOUT_MS, scapyPackets } from "./scapy.ts";
import { VethWires } from "./veth_wires.ts";

const [SOURCE, TARGET, TAP, FABRIC] = [1, 2, 3, 4];
const [TAP_WIRE, FABRIC_WIRE, TRAP_WIRE] = [2, 3, 4];
const UPLINK = 50;
const ECMP = 60;
const MIRROR = 7;
/** Source port of every copy in a tunnel. */
const COPY_PORT = 65_535;

let pipeline: Pipeline;
let wires: VethWires;
let packets: Record<string, Uint8Array>;
let link: Link;

const frame = udp({ ...V4, payload: new Uint8Array(200).fill(0xa5) });
const inner = `Ether(src="${MAC_A}",dst="${GATEWAY_MAC}")/IP(src="10.97.0.1",dst="10.97.0.2",id=0x1234,ttl=64)/UDP(sport=1000,dport=2000)/(b"\\xa5"*200)`;
const copyHeaders = (o: TunnelCase, reverse = false) =>
  outerHeaders(o, { port: COPY_PORT, labelTtl: 64, reverse }).replace("GRE(proto", "GRE(version=0,flags=1,proto");
const vxlan = tunnelCases[0] as TunnelCase;

beforeAll(() => {
  pipeline = new Pipeline();
  wires = new VethWires(5);
  const texts: Record<string, string> = {};
  for (const o of tunnelCases) {
    texts[o.name] = `${copyHeaders(o)}/${inner}`;
    texts[`in ${o.name}`] = `${copyHeaders(o, true)}/${inner}`;
  }
  packets = scapyPackets(texts);
  wires.in(() => {
    const ifindex = wires.ifindexes[TRAP_WIRE] ?? 0;
    link = attachTc({ program: pipeline.collection.program("weir_inject_tc"), ifindex, direction: "ingress" });
  });
}, SCAPY_TIMEOUT_MS);
afterAll(() => {
  wires.in(() => link.detach());
  link[Symbol.dispose]();
  wires[Symbol.dispose]();
  pipeline[Symbol.dispose]();
});

const device = (wire: number) => wires.ifindexes[wire] ?? 0;

beforeEach(() => {
  pipeline.clear();
  const counters = pipeline.map("mirror_counters");
  counters.update(Uint8Array.of(MIRROR, 0, 0, 0), new Uint8Array(counters.valueBytes));
  pipeline.configure({ trapIfindex: device(TRAP_WIRE) });
  pipeline.addInterface(SOURCE, { ifindex: device(0), mac: MAC_A });
  pipeline.addInterface(TARGET, { ifindex: device(1), mac: MAC_B });
  pipeline.addInterface(TAP, { ifindex: device(TAP_WIRE) });
  pipeline.addInterface(FABRIC, { ifindex: device(FABRIC_WIRE), vrf: 99, role: InterfaceRoleValue.fabric });
  for (const id of [SOURCE, TARGET, TAP, FABRIC]) setMtu(id, 1500);
  pipeline.setNexthop(UPLINK, "interface", { interface: FABRIC, mac: PEER_MAC, sourceMac: FABRIC_MAC });
  for (const o of tunnelCases) setTunnel(pipeline, tunnelId(o), { ...o, underlay: UPLINK });
  for (const address of [V4, V6]) {
    const length = address === V4 ? 32 : 128;
    pipeline.addRoute(1, `${address.destination}/${length}`, TARGET);
  }
  addUnderlayAddress(pipeline, "192.0.2.1");
  addUnderlayAddress(pipeline, "fd00:192::1");
  addVni(pipeline, 77, 1);
  setMirror(pipeline, MIRROR, { nexthop: TAP });
  pipeline.receiveOn(SOURCE);
  for (const wire of wires.ifindexes.keys()) wires.drain(wire);
});

function setMtu(id: number, mtu: number): void {
  const map = pipeline.map("interfaces");
  const value = new Uint8Array(interfaceLayout.size);
  map.lookup(Uint8Array.of(id, 0, 0, 0), value);
  new DataView(value.buffer).setUint32(interfaceLayout.offsets.mtu, mtu, true);
  map.update(Uint8Array.of(id, 0, 0, 0), value);
}

const run = (packet: Uint8Array): Outcome => wires.in(() => pipeline.run("tc", packet));
const copies = (expected = 1, wire = TAP_WIRE) => wires.received(wire, expected);
const mirrorSource = (
  o: { mirrorReceived?: number; mirrorSent?: number; flags?: number } = { mirrorReceived: MIRROR },
) => pipeline.addInterface(SOURCE, { ifindex: device(0), mac: MAC_A, ...o });

describe("what an interface receives", () => {
  test.each([
    ["UDP over IPv4", frame],
    ["UDP over IPv6", udp(V6)],
    ["TCP", tcp({ ...V4, flags: TCP_ACK })],
    ["no IP packet", ethernet(0x88b5, new Uint8Array(46), { to: MAC_B })],
    ["a packet that is malformed", concat(frame.subarray(0, 14), [0x45, 0, 0xff, 0xff], frame.subarray(18))],
    ["a packet that is dropped", udp({ ...V4, destination: "203.0.113.1" })],
  ])("is copied as it came: %s", (_name, packet) => {
    const without = run(packet);
    const drops = pipeline.drops(SOURCE);
    expect(copies(0)).toEqual([]);
    pipeline.clear();
    mirrorSource();
    const out = run(packet);
    expect(out.verdict).toBe(without.verdict);
    expect(out.data).toEqual(without.data);
    expect(copies()).toEqual([packet]);
    expect(pipeline.drops(SOURCE)).toEqual(drops);
    expect(mirrorCounters(pipeline, MIRROR)).toEqual({ packets: 1, bytes: packet.length, drops: 0 });
  });

  test("is for TC to copy on the XDP hook, as it came and counted once", () => {
    mirrorSource();
    const out = pipeline.run("xdp", frame);
    expect(out).toEqual({ verdict: "pass", data: frame, metadata: new Uint8Array(0) });
    expect(pipeline.counter(SOURCE, "rxPackets")).toBe(0);
  });

  test("keeps its tags to a device", () => {
    pipeline.addInterface(SOURCE, { ifindex: device(0), vlan: 30, mac: MAC_A, mirrorReceived: MIRROR });
    pipeline.receiveOn(SOURCE, 30);
    run(udp({ ...V4, vlans: [30] }));
    // AF_PACKET shows the outermost tag beside the frame.
    expect([udp(V4), udp({ ...V4, vlans: [30] })]).toContainEqual(copies()[0] ?? new Uint8Array(0));
    expect(pipeline.drops(SOURCE)).toEqual({});
  });

  test("is carried without its tags in a tunnel", () => {
    pipeline.addInterface(SOURCE, { ifindex: device(0), vlan: 30, mac: MAC_A, mirrorReceived: MIRROR });
    pipeline.receiveOn(SOURCE, 30);
    setMirror(pipeline, MIRROR, { nexthop: tunnelId(vxlan), ...vxlan.label });
    run(udp({ ...V4, vlans: [30] }));
    expect(copies(1, FABRIC_WIRE).map((copy) => copy.subarray(vxlan.ethernetRoom))).toEqual([udp(V4)]);
  });
});

describe("what goes out of an interface", () => {
  test.each([
    ["IPv4", frame],
    ["IPv6", udp(V6)],
  ])("is copied as it is sent: %s", (_name, packet) => {
    pipeline.addInterface(TARGET, { ifindex: device(1), mac: MAC_B, mirrorSent: MIRROR });
    const out = run(packet);
    expect(out.verdict).toBe("out");
    expect(copies()).toEqual([out.data]);
    expect(pipeline.counter(TARGET, "txPackets")).toBe(1);
  });

  test("is sent and copied by TC on the XDP hook, with nothing left to do but that", () => {
    pipeline.addInterface(TARGET, { ifindex: device(1), mac: MAC_B, mirrorSent: MIRROR });
    const expected = run(frame).data;
    copies();
    const out = pipeline.run("xdp", frame);
    expect(out.verdict).toBe("pass");
    expect(out.data).toEqual(expected);
    expect(out.metadata.length).toBe(8);
  });

  test("is an answer of Weir's too", () => {
    mirrorSource({ mirrorReceived: MIRROR, mirrorSent: MIRROR, flags: INTERFACE_PROXY_ARP });
    const request = arp({ sender: "10.97.0.1", target: "10.97.0.2" });
    const out = run(request);
    expect(out.verdict).toBe("out");
    expect(copies(2)).toEqual([request, out.data]);
  });

  test("is each copy of a flood", () => {
    setGroup(pipeline, ECMP, "flood", 0, [{ nexthop: TARGET }]);
    pipeline.addBridgeEntry(1, "ff:ff:ff:ff:ff:ff", ECMP);
    pipeline.addInterface(TARGET, { ifindex: device(1), mirrorSent: MIRROR });
    const request = arp({ sender: "10.97.0.1", target: "10.97.0.9" });
    run(request);
    expect(copies()).toEqual([request]);
    expect(wires.received(1, 1)).toEqual([request]);
  });
});

describe("a flow", () => {
  beforeEach(() => {
    pipeline.addInterface(SOURCE, { ifindex: device(0), mac: MAC_A, flags: INTERFACE_POLICY });
    pipeline.addInterface(TARGET, { ifindex: device(1), mac: MAC_B, flags: INTERFACE_POLICY });
    pipeline.decide(V4, { mirror: MIRROR });
  });

  test("is copied in both directions, as its packets came, and others are not", () => {
    const out = run(frame);
    expect(out.verdict).toBe("out");
    expect(copies()).toEqual([frame]);
    pipeline.receiveOn(TARGET);
    const back = { source: V4.destination, destination: V4.source, sourcePort: 2000, destinationPort: 1000 };
    const answer = udp({ ...back, from: MAC_B });
    pipeline.addRoute(1, "10.97.0.1/32", SOURCE);
    expect(run(answer).verdict).toBe("out");
    expect(copies()).toEqual([answer]);
    run(udp({ ...V4, destinationPort: 7 }));
    expect(copies(0)).toEqual([]);
  });

  test("is copied where it is dropped too", () => {
    pipeline.clear();
    pipeline.decide(V4, { mirror: MIRROR, action: "drop" });
    expect(run(frame).verdict).toBe("drop");
    expect(copies()).toEqual([frame]);
    expect(pipeline.drops(SOURCE)).toEqual({ "policy-deny": 1 });
  });

  test("is for TC on the XDP hook, and counted there", () => {
    const out = pipeline.run("xdp", frame);
    expect(out).toEqual({ verdict: "pass", data: frame, metadata: new Uint8Array(0) });
    expect(pipeline.counter(SOURCE, "rxPackets")).toBe(0);
    expect(pipeline.flow(V4)?.packets).toBe(0);
  });

  test("out of a tunnel is for TC where it came out", () => {
    pipeline.receiveOn(FABRIC);
    const packet = packets[`in ${vxlan.name}`]?.slice() ?? frame;
    packet[34] = 0xc3; // no copy's port
    pipeline.clear();
    pipeline.addInterface(TARGET, { ifindex: device(1), mac: MAC_B, nexthopFlags: NEXTHOP_FLAG_POLICY });
    const ingress = (0x8000_0000 | tunnelId(vxlan)) >>> 0;
    pipeline.decide(V4, { mirror: MIRROR, ingress });
    const out = pipeline.run("xdp", packet);
    expect(out.verdict).toBe("pass");
    expect(out.data).toEqual(frame);
    const words = new Uint32Array(out.metadata.slice().buffer);
    expect([words[1], words[2], words[3], words[4]]).toEqual([FABRIC, ingress, 1, 0]);
    expect(pipeline.flow(V4)?.packets).toBe(0);
  });
});

describe.each(tunnelCases)("through $name", (o) => {
  beforeEach(() => {
    setMirror(pipeline, MIRROR, { nexthop: tunnelId(o), ...o.label });
    mirrorSource();
  });

  test("the whole frame is carried, byte for byte", () => {
    run(frame);
    expect(copies(1, FABRIC_WIRE)).toEqual([packets[o.name] ?? frame]);
    expect(pipeline.counter(FABRIC, "txPackets")).toBe(1);
    expect(pipeline.drops(SOURCE)).toEqual({});
  });

  test("so is a frame that is no IP packet", () => {
    const other = ethernet(0x88b5, new Uint8Array(46).fill(3), { to: MAC_B });
    run(other);
    expect(copies(1, FABRIC_WIRE).map((copy) => copy.subarray(o.ethernetRoom))).toEqual([other]);
  });

  test("a copy is cut to size, and the headers say so", () => {
    setMirror(pipeline, MIRROR, { nexthop: tunnelId(o), ...o.label, truncate: 100 });
    run(frame);
    const [copy = new Uint8Array(0)] = copies(1, FABRIC_WIRE);
    expect(copy.subarray(o.ethernetRoom)).toEqual(frame.subarray(0, 100));
    const length = new DataView(copy.buffer).getUint16(o.remote.includes(":") ? 18 : 16);
    expect(length + (o.remote.includes(":") ? 40 : 0)).toBe(copy.length - 14);
    expect(mirrorCounters(pipeline, MIRROR)).toEqual({ packets: 1, bytes: 100, drops: 0 });
  });

  test.each(["received", "sent", "flow"])("a copy is not copied again where it is received: %s", (what) => {
    setMirror(pipeline, MIRROR, { nexthop: TAP });
    mirrorSource({});
    addLabel(pipeline, 100, { nexthop: TARGET, vrf: 1, ethernet: true });
    const on = (id: number, more: object) =>
      pipeline.addInterface(id, {
        ifindex: device(id - 1),
        ...(id === FABRIC ? { vrf: 99, role: InterfaceRoleValue.fabric } : { mac: MAC_B }),
        ...more,
      });
    if (what === "received") on(FABRIC, { mirrorReceived: MIRROR });
    if (what === "sent") on(TARGET, { mirrorSent: MIRROR });
    if (what === "flow") {
      const ingress = (0xa000_0000 | tunnelId(o)) >>> 0;
      pipeline.addInterface(TARGET, {
        ifindex: device(1),
        mac: MAC_B,
        nexthopFlags: NEXTHOP_FLAG_POLICY,
        flags: INTERFACE_POLICY,
      });
      pipeline.decide(V4, { mirror: MIRROR, ingress });
    }
    pipeline.receiveOn(FABRIC);
    const out = run(packets[`in ${o.name}`] ?? frame);
    expect(pipeline.drops(FABRIC)).toEqual({});
    expect(out.verdict).toBe("out");
    expect(copies(0)).toEqual([]);
    expect(pipeline.run("xdp", packets[`in ${o.name}`] ?? frame).verdict).toBe("out");
  });
});

test("a copy is cut to size to a device, and short frames are whole", () => {
  setMirror(pipeline, MIRROR, { nexthop: TAP, truncate: 64 });
  mirrorSource();
  run(frame);
  run(frame.subarray(0, 60));
  expect(copies(2)).toEqual([frame.subarray(0, 64), frame.subarray(0, 60)]);
});

test("an ecmp chooses a member by the packet's flow, with its own label", () => {
  const [a, b] = [tunnelCases[0], tunnelCases[3]] as [TunnelCase, TunnelCase];
  setGroup(pipeline, ECMP, "ecmp", 0, [
    { nexthop: tunnelId(a), vni: 501 },
    { nexthop: tunnelId(b), vni: 502 },
  ]);
  setMirror(pipeline, MIRROR, { nexthop: ECMP });
  mirrorSource();
  for (let port = 1; port <= 32; port++) run(udp({ ...V4, sourcePort: port }));
  const vnis = copies(32, FABRIC_WIRE).map(
    (copy) => new DataView(copy.buffer).getUint32(copy[12] === 0x86 ? 66 : 46) >>> 8,
  );
  expect(vnis.length).toBe(32);
  expect(new Set(vnis)).toEqual(new Set([501, 502]));
});

test("a copy is not copied again where it leaves", () => {
  for (const id of [TAP, FABRIC]) {
    const role = id === FABRIC ? InterfaceRoleValue.fabric : InterfaceRoleValue.workload;
    pipeline.addInterface(id, { ifindex: device(id - 1), role, mirrorReceived: MIRROR, mirrorSent: MIRROR });
    setMtu(id, 1500);
  }
  mirrorSource();
  run(frame);
  setMirror(pipeline, MIRROR, { nexthop: tunnelId(vxlan), ...vxlan.label });
  run(frame);
  expect(copies(1)).toEqual([frame]);
  expect(copies(1, FABRIC_WIRE).length).toBe(1);
  expect(mirrorCounters(pipeline, MIRROR).packets).toBe(2);
});

describe("a copy that cannot be made is a counted drop, and the packet goes its way", () => {
  const cases: readonly [string, () => void][] = [
    ["a mirror that is gone", () => setMirror(pipeline, MIRROR, { nexthop: 0 })],
    ["a next hop that is gone", () => setMirror(pipeline, MIRROR, { nexthop: 999 })],
    ["a next hop that leads nowhere out", () => setMirror(pipeline, MIRROR, { nexthop: ECMP + 1 })],
    ["a tunnel without its VNI", () => setMirror(pipeline, MIRROR, { nexthop: tunnelId(vxlan) })],
    [
      "a tunnel that leads nowhere",
      () => {
        setTunnel(pipeline, tunnelId(vxlan), { ...vxlan, underlay: 0 });
        setMirror(pipeline, MIRROR, { nexthop: tunnelId(vxlan), vni: 77 });
      },
    ],
    [
      "a tunnel that it is too long for",
      () => {
        setTunnel(pipeline, tunnelId(vxlan), { ...vxlan, underlay: UPLINK, mtu: 200 });
        setMirror(pipeline, MIRROR, { nexthop: tunnelId(vxlan), vni: 77 });
      },
    ],
    ["a device that it is too long for", () => setMtu(TAP, 100)],
    ["no trap link", () => pipeline.configure({ trapIfindex: 0 })],
  ];

  test.each(cases)("%s", async (_name, change) => {
    mirrorSource();
    pipeline.setNexthop(ECMP + 1, "discard");
    change();
    expect(run(frame).verdict).toBe("out");
    expect(copies(0)).toEqual([]);
    expect(copies(0, FABRIC_WIRE)).toEqual([]);
    const deadline = Date.now() + 1000;
    while (mirrorCounters(pipeline, MIRROR).drops === 0 && Date.now() < deadline) await Bun.sleep(1);
    expect(mirrorCounters(pipeline, MIRROR)).toEqual({ packets: 0, bytes: 0, drops: 1 });
    expect(pipeline.drops(SOURCE)).toEqual({ mirror: 1 });
    expect(pipeline.counter(TARGET, "txPackets")).toBe(1);
  });
});

test("nothing is copied where no mirror is", () => {
  expect(run(frame).data.subarray(0, 6)).toEqual(macBytes(MAC_B));
  expect(copies(0)).toEqual([]);
});
