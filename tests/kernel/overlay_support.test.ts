// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, test } from "bun:test";
import { BRIDGED_VNI, Lab, nodes } from "../../sdk/lab/index.ts";
import { asOnWire, Capture, complaints, exchange, fieldsOf, scapy, scapyReads } from "./overlay_support.ts";

const prefix = `wN-o${process.pid}-`;
const { n1, n2 } = nodes;
const [a1] = n1.pods;
const [a2] = n2.pods;

afterEach(() => {
  Lab.find(prefix)?.destroy();
});

const inner = 'IP(src="10.97.1.1",dst="10.97.2.1",ttl=63)/UDP(sport=1000,dport=2000)/Raw(b"payload")';
const inner6 = 'IPv6(src="fd00:97::1:1",dst="fd00:97::2:1",hlim=63)/UDP(sport=1000,dport=2000)/Raw(b"payload")';
const ether = 'Ether(src="02:00:00:00:f0:01",dst="02:00:00:00:f0:02")';
const outer = `${ether}/IP(src="192.0.2.1",dst="192.0.2.2")`;
const outer6 = `${ether}/IPv6(src="2001:db8::1",dst="2001:db8::2")`;

describe("frames from scapy", () => {
  const expressions = [
    `${outer}/UDP(sport=50000,dport=4789,chksum=0)/VXLAN(vni=77,flags=8)/${ether}/${inner}`,
    `${outer}/UDP(sport=50000,dport=6635,chksum=0)/MPLS(label=100,s=1,ttl=63)/${inner}`,
    `${outer}/UDP(sport=50000,dport=51234,chksum=0)/MPLS(label=101,s=1,ttl=63)/${inner}`,
    `${outer}/GRE(proto=0x8847)/MPLS(label=102,s=1,ttl=63)/${inner}`,
    `${outer6}/UDP(sport=50000,dport=4789,chksum=0)/VXLAN(vni=78,flags=8)/${ether}/${inner6}`,
    `${outer6}/UDP(sport=50000,dport=6635)/MPLS(label=103,s=1,ttl=62)/${inner6}`,
    `${outer6}/GRE(proto=0x8847)/MPLS(label=104,s=1,ttl=63)/${inner6}`,
  ];

  test("are decoded by tshark layer by layer, without a complaint", () => {
    const frames = scapy(...expressions);
    expect(complaints(frames)).toEqual([]);
    const fields = fieldsOf(frames, "frame.protocols", "vxlan.vni", "mpls.label", "mpls.ttl", "ip.ttl", "udp.dstport");
    expect(fields.map((frame) => [...frame["vxlan.vni"], ...frame["mpls.label"]])).toEqual([
      ["77"],
      ["100"],
      ["101"],
      ["102"],
      ["78"],
      ["103"],
      ["104"],
    ]);
    expect(fields[0]).toMatchObject({ "ip.ttl": ["64", "63"], "udp.dstport": ["4789", "2000"], "mpls.ttl": [] });
    expect(fields[5]?.["mpls.ttl"]).toEqual(["62"]);
    expect(fields.map((frame) => frame["frame.protocols"][0])).toEqual([
      "eth:ethertype:ip:udp:vxlan:eth:ethertype:ip:udp:data",
      "eth:ethertype:ip:udp:mpls:ip:udp:data",
      "eth:ethertype:ip:udp:mpls:ip:udp:data",
      "eth:ethertype:ip:gre:mpls:ip:udp:data",
      "eth:ethertype:ipv6:udp:vxlan:eth:ethertype:ipv6:udp:data",
      "eth:ethertype:ipv6:udp:mpls:ipv6:udp:data",
      "eth:ethertype:ipv6:gre:mpls:ipv6:udp:data",
    ]);
  });

  test("are read back by scapy", () => {
    const [text = ""] = scapyReads(scapy(expressions[1] ?? ""));
    for (const part of ["MPLS(label=100, cos=0, s=1, ttl=63)", "dport=6635", "dst='10.97.2.1'", "load=b'payload'"]) {
      expect(text).toContain(part);
    }
    expect(scapy(text)).toEqual(scapy(expressions[1] ?? ""));
  });

  test("with something wrong are complained of, each with its number", () => {
    const [good, chopped] = scapy(expressions[0] ?? "", expressions[1] ?? "");
    const damaged = (frame: Uint8Array | undefined, at: number) => {
      const copy = Uint8Array.from(frame ?? []);
      copy[copy.length + at] = (copy.at(at) ?? 0) ^ 1;
      return copy;
    };
    const frames = [
      good ?? new Uint8Array(),
      // A byte of the inner payload: the inner UDP checksum is wrong.
      damaged(good, -1),
      (chopped ?? new Uint8Array()).subarray(0, -12),
      // The outer IP header's TTL.
      damaged(good, 22 - (good?.byteLength ?? 0)),
    ];
    expect(complaints(frames).map((line) => line.slice(0, 8))).toEqual(["frame 2:", "frame 3:", "frame 4:"]);
  });
});

describe("frames in a lab", () => {
  test("of the kernel's own VXLAN are captured whole and right", async () => {
    await using lab = Lab.create("kernel-vxlan", { prefix });
    for (const { name } of [n1, n2]) asOnWire(lab, name, "f0");
    for (const { name } of [a1, a2]) asOnWire(lab, name, "eth0");
    using capture = await Capture.start(lab, "n2", "f0", "udp port 4789");
    expect((await lab.ping("a1", a2.ipv4)).received).toBe(1);
    expect((await lab.ping("a1", a2.ipv6)).received).toBe(1);
    await capture.stop();
    const frames = capture.frames();
    expect(frames.length).toBeGreaterThanOrEqual(4);
    expect(complaints(frames)).toEqual([]);
    for (const { "vxlan.vni": vni } of fieldsOf(frames, "vxlan.vni")) expect(vni).toEqual([`${BRIDGED_VNI}`]);
  });

  test("are sent at one place and seen at another, byte for byte", async () => {
    await using lab = Lab.create("mixed-vxlan", { prefix });
    const innerFrame = `Ether(src="02:00:00:00:01:01",dst="${a2.mac}")/${inner}`;
    const [tunnelled = new Uint8Array(), plain = new Uint8Array()] = scapy(
      `${outer}/UDP(sport=50000,dport=4789,chksum=0)/VXLAN(vni=${BRIDGED_VNI},flags=8)/${innerFrame}`,
      innerFrame,
    );
    const frames = await exchange([tunnelled, tunnelled], {
      lab,
      from: ["n1", "f0"],
      to: ["a2", "eth0"],
      filter: "udp port 2000",
    });
    expect(frames).toEqual([plain, plain]);
  });
});
