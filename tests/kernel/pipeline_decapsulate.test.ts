// SPDX-License-Identifier: Apache-2.0
/** What comes out of tunnels, on both hooks: packets in are built by scapy. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { InterfaceRoleValue, NEXTHOP_FLAG_PEER, NEXTHOP_FLAG_POLICY } from "../../sdk/layout/generated.ts";
import { hooks, Pipeline, trapOf } from "./pipeline_harness.ts";
import { addLabel, addUnderlayAddress, addVni, setTunnel, setVrfNexthop, tunnelCounter } from "./pipeline_overlay.ts";
import { be16, checksum, GATEWAY_MAC, MAC_A, MAC_B } from "./pipeline_packets.ts";
import { outerHeaders, tunnelCases, tunnelId } from "./pipeline_tunnels.ts";
import { SCAPY_TIMEOUT_MS, scapyPackets } from "./scapy.ts";

const FABRIC = 3;
const UPLINK = 50;
const REMOTE_MAC = "02:00:00:00:09:01";
const TO_BLUE = 60;
const BRIDGE_LABEL = 101;
const VRF_LABEL = 102;

const ecns = [0, 1, 2, 3] as const;

const inner = {
  v4: (ttl: number, ecn = 0) =>
    `IP(src="10.97.9.2",dst="10.97.0.2",ttl=${ttl},tos=${0xb8 | ecn})/UDP(sport=1000,dport=2000)/b"abcdefgh"`,
  v6: (ttl: number, ecn = 0) =>
    `IPv6(src="fd00:97:9::2",dst="fd00:97::2",hlim=${ttl},tc=${0xb8 | ecn})/UDP(sport=1000,dport=2000)/b"abcdefgh"`,
};
const families = ["v4", "v6"] as const;

let pipeline: Pipeline;
let packets: Record<string, Uint8Array>;

beforeAll(() => {
  pipeline = new Pipeline();
  const texts: Record<string, string> = {};
  for (const family of families) {
    const routed = (ttl: number, ecn = 0) => `Ether(src="${GATEWAY_MAC}",dst="${MAC_B}")/${inner[family](ttl, ecn)}`;
    texts[`out ${family} 64`] = routed(64);
    texts[`out ${family} 63`] = routed(63);
    for (const ecn of ecns) texts[`out ${family} ecn ${ecn}`] = routed(63, ecn);
    for (const ecn of ecns) texts[`out ${family} kept ecn ${ecn}`] = routed(64, ecn);
    texts[`out bridged ${family}`] = `Ether(src="${REMOTE_MAC}",dst="${MAC_B}")/${inner[family](64)}`;
    for (const o of tunnelCases) {
      const eth = o.encap === "vxlan" ? `/Ether(src="${GATEWAY_MAC}",dst="${GATEWAY_MAC}")` : "";
      const outer = (h = {}) => outerHeaders(o, { reverse: true, labelTtl: 64, ...h });
      texts[`routed ${family} ${o.name}`] = `${outer()}${eth}/${inner[family](64)}`;
      texts[`expired ${family} ${o.name}`] = `${outer({ labelTtl: 1 })}${eth}/${inner[family](1)}`;
      texts[`vrf ${family} ${o.name}`] = `${outer({ id: VRF_LABEL })}${eth}/${inner[family](64)}`;
      texts[`unknown ${family} ${o.name}`] = `${outer({ id: 999 })}${eth}/${inner[family](64)}`;
      const id = o.encap === "vxlan" ? {} : { id: BRIDGE_LABEL };
      texts[`bridged ${family} ${o.name}`] =
        `${outer(id)}/Ether(src="${REMOTE_MAC}",dst="${MAC_B}")/${inner[family](64)}`;
      for (const outerEcn of ecns)
        for (const innerEcn of ecns)
          texts[`ecn ${outerEcn} ${innerEcn} ${family} ${o.name}`] =
            `${outer({ tos: outerEcn })}${eth}/${inner[family](64, innerEcn)}`;
    }
  }
  const reply = `Ether(src="${REMOTE_MAC}",dst="${MAC_B}")/ARP(op=2,hwsrc="${REMOTE_MAC}",psrc="10.97.0.9",hwdst="${MAC_B}",pdst="10.97.0.2")`;
  texts["arp"] = reply;
  const tcp = (ttl: number) => `IP(src="10.97.9.2",dst="10.97.0.2",ttl=${ttl})/TCP(sport=1000,dport=2000)/b"abc"`;
  const gateways = `Ether(src="${GATEWAY_MAC}",dst="${GATEWAY_MAC}")`;
  for (const o of tunnelCases.slice(0, 1))
    texts["tcp"] = `${outerHeaders(o, { reverse: true })}/${gateways}/${tcp(64)}`;
  texts["out tcp"] = `Ether(src="${GATEWAY_MAC}",dst="${MAC_B}")/${tcp(63)}`;
  for (const o of tunnelCases) {
    const id = o.encap === "vxlan" ? {} : { id: BRIDGE_LABEL };
    texts[`arp ${o.name}`] = `${outerHeaders(o, { reverse: true, labelTtl: 64, ...id })}/${reply}`;
    texts[`old port ${o.name}`] =
      `${outerHeaders(o, { reverse: true, labelTtl: 64, destinationPort: 51234 })}/${inner.v4(64)}`;
    texts[`tiny ${o.name}`] =
      `${outerHeaders(o, { reverse: true, labelTtl: 64 })}${o.encap === "vxlan" ? `/Ether(src="${GATEWAY_MAC}",dst="${GATEWAY_MAC}")` : ""}` +
      '/IP(src="10.97.9.2",dst="10.97.0.2",ttl=64,proto=99)';
  }
  packets = scapyPackets(texts);
}, SCAPY_TIMEOUT_MS);
afterAll(() => pipeline[Symbol.dispose]());
beforeEach(() => {
  pipeline.clear();
  pipeline.controllerStops();
  pipeline.configure({ trapRate: 0, foreignTunnels: 0 });
  pipeline.addInterface(1, { mac: MAC_A });
  pipeline.addInterface(2, { mac: MAC_B });
  pipeline.addInterface(FABRIC, { vrf: 99, role: InterfaceRoleValue.fabric });
  pipeline.setNexthop(UPLINK, "interface", { interface: FABRIC });
  setVrfNexthop(pipeline, TO_BLUE, 1);
  pipeline.receiveOn(FABRIC);
  pipeline.addRoute(1, "10.97.0.2/32", 2);
  pipeline.addRoute(1, "fd00:97::2/128", 2);
  pipeline.addBridgeEntry(1, MAC_B, 2);
  addVni(pipeline, 77, 1);
  addVni(pipeline, VRF_LABEL, 1);
  addLabel(pipeline, 100, { nexthop: 2, vrf: 1 });
  addLabel(pipeline, BRIDGE_LABEL, { nexthop: 2, vrf: 1, ethernet: true });
  addLabel(pipeline, VRF_LABEL, { nexthop: TO_BLUE, vrf: 1 });
  addUnderlayAddress(pipeline, "192.0.2.1");
  addUnderlayAddress(pipeline, "fd00:192::1");
});

function packet(name: string): Uint8Array {
  const found = packets[name];
  if (found === undefined) throw new Error(`no packet ${name}`);
  return found;
}

/** RFC 6040, figure 4: rows by the inner field, columns by the outer one; -1: drop. */
const RFC6040 = [
  [0, 0, 0, -1],
  [1, 1, 1, 3],
  [2, 1, 2, 3],
  [3, 3, 3, 3],
] as const;

describe.each(hooks)("on the %s hook", (hook) => {
  describe.each(tunnelCases)("$name", (o) => {
    const id = tunnelId(o);
    const left = o.encap === "vxlan" ? 63 : 64;

    beforeEach(() => setTunnel(pipeline, id, { ...o, underlay: UPLINK, counter: 6 }));

    test.each(families)("a %s packet for the gateway, or by a label, reaches the workload", (family) => {
      const out = pipeline.run(hook, packet(`routed ${family} ${o.name}`));
      expect(pipeline.drops(FABRIC)).toEqual({});
      expect(out.verdict).toBe("out");
      expect(out.data).toEqual(packet(`out ${family} ${left}`));
    });

    test.each(families)("a bridged %s packet arrives as it was", (family) => {
      const out = pipeline.run(hook, packet(`bridged ${family} ${o.name}`));
      expect(pipeline.drops(FABRIC)).toEqual({});
      expect(out.verdict).toBe("out");
      expect(out.data).toEqual(packet(`out bridged ${family}`));
    });

    test("an ARP reply to a workload's MAC is bridged", () => {
      const out = pipeline.run(hook, packet(`arp ${o.name}`));
      expect(pipeline.drops(FABRIC)).toEqual({});
      expect(out.data.subarray(0, 42)).toEqual(packet("arp"));
    });

    test("an IP packet without payload comes out too", () => {
      const out = pipeline.run(hook, packet(`tiny ${o.name}`));
      expect(pipeline.drops(FABRIC)).toEqual({});
      expect(out.verdict).toBe("out");
    });

    test.each(families)("a %s packet by a label into a VRF is routed there and loses one hop", (family) => {
      const out = pipeline.run(hook, packet(`vrf ${family} ${o.name}`));
      expect(out.verdict).toBe("out");
      expect(out.data).toEqual(packet(`out ${family} 63`));
    });

    test.each(families)("the TTL of a %s packet or of its label has run out", (family) => {
      expect(pipeline.run(hook, packet(`expired ${family} ${o.name}`)).verdict).toBe("drop");
      expect(pipeline.drops(FABRIC)).toEqual({ "ttl-expired": 1 });
    });

    test.each(families)("ECN of the outer header comes into the %s packet as RFC 6040 says", (family) => {
      for (const outerEcn of ecns)
        for (const innerEcn of ecns) {
          pipeline.clear();
          const out = pipeline.run(hook, packet(`ecn ${outerEcn} ${innerEcn} ${family} ${o.name}`));
          const expected = RFC6040[innerEcn][outerEcn];
          if (expected === -1) {
            expect(out.verdict).toBe("drop");
            expect(pipeline.drops(FABRIC)).toEqual({ ecn: 1 });
          } else {
            const wanted = packet(`out ${family} ${left === 64 ? "kept " : ""}ecn ${expected}`);
            expect(out.data).toEqual(wanted);
          }
        }
    });

    test("an unknown VNI or label from a known tunnel is a counted drop", () => {
      expect(pipeline.run(hook, packet(`unknown v4 ${o.name}`)).verdict).toBe("drop");
      expect(pipeline.drops(FABRIC)).toEqual({ [o.encap === "vxlan" ? "unknown-vni" : "unknown-label"]: 1 });
    });

    test("received packets and bytes are counted for the tunnel", () => {
      const before = [tunnelCounter(pipeline, 6, "rxPackets"), tunnelCounter(pipeline, 6, "rxBytes")];
      const frame = packet(`routed v4 ${o.name}`);
      pipeline.run(hook, frame);
      expect(tunnelCounter(pipeline, 6, "rxPackets") - (before[0] ?? 0)).toBe(1);
      expect(tunnelCounter(pipeline, 6, "rxBytes") - (before[1] ?? 0)).toBe(frame.length);
      expect(pipeline.counter(FABRIC, "rxPackets")).toBe(1);
    });

    test("a packet to an address that is not the node's is not touched", () => {
      const frame = packet(`routed v4 ${o.name}`).slice();
      pipeline
        .map("underlay_addresses")
        .delete(
          Uint8Array.from(
            o.local.includes(":")
              ? [0xfd, 0, 1, 0x92, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
              : [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1],
          ),
        );
      const out = pipeline.run(hook, frame);
      expect(out.verdict).toBe("pass");
      expect(out.data).toEqual(frame);
    });

    test("policy of the workload holds for what comes out: the flow names its tunnel", () => {
      pipeline.addInterface(2, { mac: MAC_B, nexthopFlags: NEXTHOP_FLAG_POLICY });
      pipeline.controllerStarts();
      const trap = trapOf(pipeline.run(hook, packet(`routed v4 ${o.name}`)));
      expect(trap?.reason).toBe("flow-miss");
      expect(trap?.interface).toBe(FABRIC);
      expect(trap?.outInterface).toBe(2);
      expect(trap?.vrf).toBe(1);
      expect(trap?.ingress).toBe((0x80000000 | id) >>> 0);
      const flow = { source: "10.97.9.2", destination: "10.97.0.2" };
      expect(pipeline.flow(flow)?.ingress).toBe((0x80000000 | id) >>> 0);
      const decided = pipeline.decide(flow, {
        generation: trap?.generation ?? 0,
        ingress: trap?.ingress ?? 0,
        nexthop: trap?.nexthop ?? 0,
        reverseIngress: 2,
        reverseNexthop: id,
      });
      expect(decided.result).toBe("ok");
      const expected = packet(`out v4 ${left}`);
      expect(pipeline.run(hook, packet(`routed v4 ${o.name}`)).data).toEqual(expected);
    });
  });

  test("TCP for a workload's namespace is delivered by TC, after the kernel has merged it", () => {
    if (hook !== "xdp") return;
    pipeline.addInterface(2, { mac: MAC_B, nexthopFlags: NEXTHOP_FLAG_PEER });
    const out = pipeline.run(hook, packet("tcp"));
    expect(out.verdict).toBe("pass");
    expect(out.data).toEqual(packet("out tcp"));
    expect(new DataView(out.metadata.buffer, out.metadata.byteOffset).getUint32(4, true)).toBe(2);
    expect(pipeline.counter(2, "txPackets")).toBe(1);
  });

  describe.each(tunnelCases.filter((o) => o.encap === "vxlan"))("foreign tunnels: $name", (o) => {
    beforeEach(() => {
      for (const { key } of pipeline.map("tunnels").entries()) pipeline.map("tunnels").delete(key.slice());
    });

    test("go to the host as they came, or are dropped where told so", () => {
      const frame = packet(`unknown v4 ${o.name}`);
      const out = pipeline.run(hook, frame);
      expect(out.verdict).toBe("pass");
      expect(out.data).toEqual(frame);
      pipeline.configure({ foreignTunnels: 1 });
      expect(pipeline.run(hook, frame).verdict).toBe("drop");
      expect(pipeline.drops(FABRIC)).toEqual({ "unknown-tunnel": 1 });
    });
  });

  test("the port that MPLS over UDP had before IANA assigned one is accepted", () => {
    for (const o of tunnelCases.filter(({ encap }) => encap === "mpls-udp")) {
      const out = pipeline.run(hook, packet(`old port ${o.name}`));
      expect(out.data).toEqual(packet("out v4 64"));
    }
  });

  describe.each(tunnelCases)("$name", (o) => {
    test.each(["routed v4", "bridged v6", "arp"])("%s cut anywhere is a counted drop", (name) => {
      const frame = packet(`${name} ${o.name}`);
      // BPF_PROG_TEST_RUN refuses what is shorter than the outer IP header on TC.
      for (let length = 54; length < frame.length; length++) {
        pipeline.clear();
        const { verdict } = pipeline.run(hook, frame.subarray(0, length));
        const drops = pipeline.drops(FABRIC);
        expect({ length, verdict, drops }).toEqual({ length, verdict: "drop", drops: { "invalid-packet": 1 } });
      }
    });

    test.each(["routed v4", "bridged v6"])("%s whose sender cut what is inside is a counted drop", (name) => {
      const frame = packet(`${name} ${o.name}`);
      for (let length = 14 + o.ethernetRoom - 14; length < frame.length; length++) {
        pipeline.clear();
        const { verdict } = pipeline.run(hook, cutInside(frame, length));
        const counted = Object.values(pipeline.drops(FABRIC));
        expect({ length, verdict, counted }).toEqual({ length, verdict: "drop", counted: [1] });
      }
    });
  });
});

/** The frame cut to `length` bytes, its outer headers right for that. */
function cutInside(frame: Uint8Array, length: number): Uint8Array {
  const cut = frame.slice(0, length);
  const v6 = cut[12] === 0x86;
  const l4 = v6 ? 54 : 34;
  cut.set(be16(length - (v6 ? l4 : 14)), v6 ? 18 : 16);
  if ((v6 ? cut[20] : cut[23]) === 17) cut.set(be16(length - l4), l4 + 4);
  if (v6) return cut;
  cut.fill(0, 24, 26);
  cut.set(be16(checksum(cut.subarray(14, 34))), 24);
  return cut;
}
