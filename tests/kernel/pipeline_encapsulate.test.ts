// SPDX-License-Identifier: Apache-2.0
/** What goes into tunnels, byte for byte beside scapy, on both hooks. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  InterfaceRoleValue,
  NEXTHOP_FLAG_DOWN,
  NEXTHOP_FLAG_RESOLVE,
  ROUTE_VNI,
  TRAP_FLAG_DIVIDE,
} from "../../sdk/layout/generated.ts";
import { hooks, Pipeline } from "./pipeline_harness.ts";
import { trapOf } from "./pipeline_outcome.ts";
import {
  addLabelledBridgeEntry,
  addLabelledRoute,
  setGroup,
  setTunnel,
  tunnelCounter,
  vrfCounter,
} from "./pipeline_overlay.ts";
import { GATEWAY_MAC, MAC_A, MAC_B, udp } from "./pipeline_packets.ts";
import { FABRIC_MAC, outerHeaders, PEER_MAC, routedEthernet, tunnelCases, tunnelId, VNI } from "./pipeline_tunnels.ts";
import { SCAPY_TIMEOUT_MS, scapyPackets } from "./scapy.ts";

const FABRIC = 3;
const UPLINK = 50;
const REMOTE_MAC = "02:00:00:00:09:01";
const ROUTER_MAC = "02:00:00:00:0a:0a";

/** Inner packets: as the workload sends them (to the gateway) and their IP part as routed, TTL less one. */
const inner = {
  v4: (ttl: number) => `IP(src="10.97.0.1",dst="10.97.9.2",ttl=${ttl},tos=0xba)/UDP(sport=1000,dport=2000)/b"abcdefgh"`,
  v6: (ttl: number) =>
    `IPv6(src="fd00:97::1",dst="fd00:97:9::2",hlim=${ttl},tc=0xba)/UDP(sport=1000,dport=2000)/b"abcdefgh"`,
};

let pipeline: Pipeline;
let packets: Record<string, Uint8Array>;

beforeAll(() => {
  pipeline = new Pipeline();
  const texts: Record<string, string> = {};
  for (const family of ["v4", "v6"] as const) {
    texts[family] = `Ether(src="${MAC_A}",dst="${GATEWAY_MAC}")/${inner[family](64)}`;
    texts[`bridged ${family}`] = `Ether(src="${MAC_A}",dst="${REMOTE_MAC}")/${inner[family](64)}`;
    for (const o of tunnelCases) {
      const routed = `${outerHeaders(o, { tos: 0xba, labelTtl: 63 })}`;
      texts[`routed ${family} ${o.name}`] = `${routed}${routedEthernet(o)}/${inner[family](63)}`;
      texts[`bridged ${family} ${o.name}`] =
        `${outerHeaders(o, { tos: 0xba, labelTtl: 64 })}/Ether(src="${MAC_A}",dst="${REMOTE_MAC}")/${inner[family](64)}`;
    }
  }
  const request = `Ether(src="${MAC_A}",dst="${REMOTE_MAC}")/ARP(hwsrc="${MAC_A}",psrc="10.97.0.1",pdst="10.97.0.9")`;
  for (const o of tunnelCases) {
    texts[`arp ${o.name}`] = `${outerHeaders(o, { labelTtl: 64 })}/${request}`;
    texts[`router ${o.name}`] =
      `${outerHeaders(o, { tos: 0xba, labelTtl: 63 })}${routedEthernet(o, ROUTER_MAC)}/${inner.v4(63)}`;
  }
  texts["arp"] = request;
  packets = scapyPackets(texts);
}, SCAPY_TIMEOUT_MS);
afterAll(() => pipeline[Symbol.dispose]());
beforeEach(() => {
  pipeline.clear();
  pipeline.controllerStops();
  pipeline.configure({ trapRate: 0 });
  pipeline.addInterface(1, { mac: MAC_A });
  pipeline.addInterface(2, { mac: MAC_B });
  pipeline.addInterface(FABRIC, { vrf: 99, role: InterfaceRoleValue.fabric });
  pipeline.receiveOn(1);
  uplink();
});

function uplink(flags = 0): void {
  pipeline.setNexthop(UPLINK, "interface", { interface: FABRIC, mac: PEER_MAC, sourceMac: FABRIC_MAC, flags });
}

function packet(name: string): Uint8Array {
  return packets[name] ?? new Uint8Array(0);
}

/** The expected packet with the source port and the checksum-free bytes that depend on it. */
function withPort(expected: Uint8Array, actual: Uint8Array): Uint8Array {
  const at = expected[12] === 0x86 ? 54 : 34;
  const protocol = expected[12] === 0x86 ? expected[20] : expected[23];
  if (protocol !== 17) return expected;
  const copy = expected.slice();
  copy.set(actual.subarray(at, at + 2), at);
  const port = ((actual[at] ?? 0) << 8) | (actual[at + 1] ?? 0);
  expect(port).toBeGreaterThanOrEqual(49152);
  return copy;
}

describe.each(hooks)("on the %s hook", (hook) => {
  describe.each(tunnelCases)("$name", (o) => {
    const id = tunnelId(o);

    beforeEach(() => {
      setTunnel(pipeline, id, { ...o, underlay: UPLINK, counter: 5 });
      addLabelledRoute(pipeline, 1, "10.97.9.0/24", id, o.label);
      addLabelledRoute(pipeline, 1, "fd00:97:9::/48", id, o.label);
      addLabelledBridgeEntry(pipeline, 1, REMOTE_MAC, id, o.label);
    });

    test.each(["v4", "v6"])("a routed %s packet gets its headers and loses one hop", (family) => {
      const out = pipeline.run(hook, packet(family));
      expect(out.verdict).toBe("out");
      expect(out.data).toEqual(withPort(packet(`routed ${family} ${o.name}`), out.data));
      expect(pipeline.drops(1)).toEqual({});
    });

    test.each(["v4", "v6"])("a bridged %s packet is carried as it is", (family) => {
      const out = pipeline.run(hook, packet(`bridged ${family}`));
      expect(out.verdict).toBe("out");
      expect(out.data).toEqual(withPort(packet(`bridged ${family} ${o.name}`), out.data));
    });

    test("a bridged frame that is not IP is carried too", () => {
      const out = pipeline.run(hook, packet("arp"));
      expect(out.verdict).toBe("out");
      expect(out.data).toEqual(withPort(packet(`arp ${o.name}`), out.data));
    });

    test("the padding of a short frame is not counted into the headers", () => {
      const short = pipeline.run(hook, packet("v4"));
      const padded = new Uint8Array(packet("v4").length + 6);
      padded.set(packet("v4"));
      const out = pipeline.run(hook, padded);
      expect(out.data.subarray(0, short.data.length)).toEqual(short.data);
    });

    test("a VLAN tag of the workload stays behind", () => {
      pipeline.addInterface(4, { mac: MAC_A, vlan: 10 });
      pipeline.receiveOn(4, 10);
      const frame = packet("v4");
      const tagged = Uint8Array.from([...frame.subarray(0, 12), 0x81, 0, 0, 10, ...frame.subarray(12)]);
      const out = pipeline.run(hook, tagged);
      expect(out.verdict).toBe("out");
      expect(out.data).toEqual(withPort(packet(`routed v4 ${o.name}`), out.data));
    });

    test("packets and bytes are counted for the tunnel and by kind for the VRF", () => {
      const before = [tunnelCounter(pipeline, 5, "txPackets"), tunnelCounter(pipeline, 5, "txBytes")];
      const kind = vrfCounter(pipeline, 1, o.encap);
      const out = pipeline.run(hook, packet("v4"));
      expect(tunnelCounter(pipeline, 5, "txPackets") - (before[0] ?? 0)).toBe(1);
      expect(tunnelCounter(pipeline, 5, "txBytes") - (before[1] ?? 0)).toBe(out.data.length);
      expect(vrfCounter(pipeline, 1, o.encap) - kind).toBe(1);
      expect(pipeline.counter(FABRIC, "txPackets")).toBe(1);
    });

    test("a packet that does not fit is reported as a drop, or if it may be fragmented given to the slow path", () => {
      setTunnel(pipeline, id, { ...o, underlay: UPLINK, mtu: 50 });
      pipeline.controllerStarts();
      const v6 = trapOf(pipeline.run(hook, packet("v6")));
      expect(v6?.reason).toBe("packet-too-big");
      expect(v6?.nexthop).toBe(id);
      setTunnel(pipeline, id, { ...o, underlay: UPLINK, mtu: 35 });
      const v4 = trapOf(pipeline.run(hook, packet("v4")));
      expect(v4).toMatchObject({ reason: "packet-too-big", flags: TRAP_FLAG_DIVIDE, nexthop: id });
      expect(pipeline.drops(1)).toEqual({ "packet-too-big": 1 });
    });

    test("without a neighbour on the way the underlay's next hop is to be resolved, the packet as it came", () => {
      uplink(NEXTHOP_FLAG_RESOLVE);
      pipeline.controllerStarts();
      const trap = trapOf(pipeline.run(hook, packet("v4")));
      expect(trap?.reason).toBe("resolve");
      expect(trap?.nexthop).toBe(UPLINK);
      expect(trap?.outInterface).toBe(FABRIC);
      expect(trap?.packet).toEqual(packet("v4"));
    });

    test("an underlay that is down, or not there, is a counted drop", () => {
      uplink(NEXTHOP_FLAG_DOWN);
      expect(pipeline.run(hook, packet("v4")).verdict).toBe("drop");
      setTunnel(pipeline, id, { ...o, underlay: 0 });
      expect(pipeline.run(hook, packet("v4")).verdict).toBe("drop");
      expect(pipeline.drops(1)).toEqual({ "no-nexthop": 2 });
    });

    test("the label must be of the tunnel's kind", () => {
      addLabelledRoute(pipeline, 1, "10.97.9.0/24", id, o.encap === "vxlan" ? { label: 1 } : { vni: 1 });
      expect(pipeline.run(hook, packet("v4")).verdict).toBe("drop");
      expect(pipeline.drops(1)).toEqual({ "no-nexthop": 1 });
    });

    test("a packet with a TTL of 1 is not sent into a tunnel", () => {
      const out = pipeline.run(hook, udp({ source: "10.97.0.1", destination: "10.97.9.2", ttl: 1 }));
      expect(out.verdict).toBe("drop");
      expect(pipeline.drops(1)).toEqual({ "ttl-expired": 1 });
    });

    test("what comes from the fabric does not go back there through a tunnel", () => {
      pipeline.receiveOn(FABRIC);
      addLabelledRoute(pipeline, 99, "10.97.9.0/24", id, o.label);
      expect(pipeline.run(hook, udp({ source: "10.97.0.1", destination: "10.97.9.2", to: FABRIC_MAC })).verdict).toBe(
        "drop",
      );
      expect(pipeline.drops(FABRIC)).toEqual({ "fabric-to-fabric": 1 });
    });

    test("the tunnel's router MAC is the inner destination of routed packets", () => {
      setTunnel(pipeline, id, { ...o, underlay: UPLINK, routerMac: ROUTER_MAC });
      const out = pipeline.run(hook, packet("v4"));
      expect(out.data).toEqual(withPort(packet(`router ${o.name}`), out.data));
    });

    test("the underlay may be an ecmp of uplinks", () => {
      setGroup(pipeline, 60, "ecmp", 0, [
        { nexthop: UPLINK, flags: 0x80 },
        { nexthop: UPLINK + 1 },
        { nexthop: UPLINK, flags: 0x80 },
        { nexthop: UPLINK + 1 },
      ]);
      pipeline.setNexthop(UPLINK + 1, "interface", { interface: FABRIC, mac: MAC_B, sourceMac: FABRIC_MAC });
      setTunnel(pipeline, id, { ...o, underlay: 60 });
      const out = pipeline.run(hook, packet("v4"));
      expect(out.verdict).toBe("out");
      expect(out.data.subarray(0, 6)).toEqual(Uint8Array.from([2, 0, 0, 0, 2, 1]));
    });
  });

  test("flows are spread over source ports, and each keeps its own", () => {
    const o = tunnelCases[0];
    if (o === undefined) throw new Error("no case");
    setTunnel(pipeline, tunnelId(o), { ...o, underlay: UPLINK });
    pipeline.addRoute(1, "10.97.9.0/24", tunnelId(o), ROUTE_VNI, VNI);
    const portOf = (sourcePort: number) => {
      const { data } = pipeline.run(hook, udp({ source: "10.97.0.1", destination: "10.97.9.2", sourcePort }));
      return ((data[34] ?? 0) << 8) | (data[35] ?? 0);
    };
    const ports = Array.from({ length: 64 }, (_, index) => portOf(1000 + index));
    expect(new Set(ports).size).toBeGreaterThan(60);
    expect(portOf(1000)).toBe(ports[0] ?? 0);
  });
});
