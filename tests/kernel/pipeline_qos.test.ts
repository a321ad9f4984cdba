// SPDX-License-Identifier: Apache-2.0
/** Code points by forwarding class, byte for byte beside scapy, on both hooks. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { INTERFACE_POLICY, INTERFACE_QOS, InterfaceRoleValue } from "../../sdk/layout/generated.ts";
import { skbContext } from "../../sdk/libbpf/index.ts";
import { setQosMap } from "./pipeline_classes.ts";
import { hooks, Pipeline } from "./pipeline_harness.ts";
import { trapOf } from "./pipeline_outcome.ts";
import { addLabel, addLabelledRoute, addUnderlayAddress, addVni, setTunnel } from "./pipeline_overlay.ts";
import { GATEWAY_MAC, MAC_A, MAC_B } from "./pipeline_packets.ts";
import { viewOf } from "./pipeline_table.ts";
import { FABRIC_MAC, outerHeaders, PEER_MAC, routedEthernet, tunnelCases, tunnelId } from "./pipeline_tunnels.ts";
import { SCAPY_TIMEOUT_MS, scapyPackets } from "./scapy.ts";

const FABRIC = 3;
const TAGGED = 4;
const VLAN = 42;
const UPLINK = 50;
const EXPEDITED = 46;

const range = (length: number) => [...Array(length).keys()];
const identity = Object.fromEntries(range(64).map((point) => [point, point]));
const families = ["v4", "v6"] as const;
type Family = (typeof families)[number];

/** A packet of the workload 1, to the workload 2 (`near`) or behind the tunnels. */
function inner(family: Family, o: { tos: number; ttl?: number; near?: boolean; back?: boolean }): string {
  const [near, far] = family === "v4" ? ["10.97.0.1", "10.97.9.2"] : ["fd00:97::1", "fd00:97:9::2"];
  const second = family === "v4" ? "10.97.0.2" : "fd00:97::2";
  const [source, destination] = o.back === true ? [far, second] : [near, o.near === true ? second : far];
  const rest = 'UDP(sport=1000,dport=2000)/b"abcdefgh"';
  return family === "v4"
    ? `IP(src="${source}",dst="${destination}",ttl=${o.ttl ?? 64},tos=${o.tos})/${rest}`
    : `IPv6(src="${source}",dst="${destination}",hlim=${o.ttl ?? 64},tc=${o.tos})/${rest}`;
}

const toGateway = `Ether(src="${MAC_A}",dst="${GATEWAY_MAC}")`;
const toSecond = `Ether(src="${GATEWAY_MAC}",dst="${MAC_B}")`;
/** Every DSCP with an ECN field beside it. */
const traffic = (dscp: number) => (dscp << 2) | (dscp & 3);

let pipeline: Pipeline;
let packets: Record<string, Uint8Array>;

beforeAll(() => {
  pipeline = new Pipeline();
  const texts: Record<string, string> = {};
  for (const family of families) {
    for (const dscp of range(64)) {
      texts[`near ${family} ${dscp}`] = `${toGateway}/${inner(family, { tos: traffic(dscp), near: true })}`;
      const tos = ((63 - dscp) << 2) | (dscp & 3);
      texts[`marked ${family} ${dscp}`] = `${toSecond}/${inner(family, { tos, ttl: 63, near: true })}`;
    }
    for (const priority of range(8)) {
      const tag = `Dot1Q(vlan=${VLAN},prio=${priority})`;
      texts[`tagged ${family} ${priority}`] = `${toGateway}/${tag}/${inner(family, { tos: 0, near: true })}`;
      texts[`untagged ${family} ${priority}`] =
        `${toSecond}/${inner(family, { tos: (10 + priority) << 2, ttl: 63, near: true })}`;
      texts[`retagged ${family} ${priority}`] =
        `${toSecond}/${tag}/${inner(family, { tos: priority << 2, ttl: 63, near: true })}`;
      texts[`plain ${family} ${priority}`] = `${toGateway}/${inner(family, { tos: priority << 2, near: true })}`;
    }
    texts[`far ${family}`] = `${toGateway}/${inner(family, { tos: (EXPEDITED << 2) | 2 })}`;
    for (const o of tunnelCases) {
      const outer = outerHeaders(o, { tos: (34 << 2) | 2, labelTtl: 63, exp: 6 });
      const carried = `${routedEthernet(o)}/${inner(family, { tos: (EXPEDITED << 2) | 2, ttl: 63 })}`;
      texts[`carried ${family} ${o.name}`] = `${outer}${carried}`;
      texts[`copied ${family} ${o.name}`] = `${outerHeaders(o, { tos: (EXPEDITED << 2) | 2, labelTtl: 63 })}${carried}`;
      const gateways = o.encap === "vxlan" ? `/Ether(src="${GATEWAY_MAC}",dst="${GATEWAY_MAC}")` : "";
      for (const exp of range(8)) {
        const headers = outerHeaders(o, { reverse: true, tos: 8 << 2, labelTtl: 64, exp });
        texts[`from ${family} ${o.name} ${exp}`] = `${headers}${gateways}/${inner(family, { tos: 1, back: true })}`;
      }
    }
    for (const value of range(9)) {
      const tos = ((20 + value) << 2) | 1;
      texts[`out ${family} ${value}`] = `${toSecond}/${inner(family, { tos, back: true })}`;
      texts[`out hop ${family} ${value}`] = `${toSecond}/${inner(family, { tos, ttl: 63, back: true })}`;
    }
  }
  packets = scapyPackets(texts);
}, SCAPY_TIMEOUT_MS);
afterAll(() => pipeline[Symbol.dispose]());

beforeEach(() => {
  pipeline.clear();
  pipeline.controllerStops();
  pipeline.configure({ trapRate: 0, foreignTunnels: 0 });
  for (const id of [1, 2, FABRIC]) setQosMap(pipeline, id, {});
  const qos = (id: number) => ({ flags: INTERFACE_QOS, qosMap: id });
  pipeline.addInterface(1, { mac: MAC_A, ...qos(1) });
  pipeline.addInterface(2, { mac: MAC_B, ...qos(2) });
  pipeline.addInterface(FABRIC, { vrf: 99, role: InterfaceRoleValue.fabric, ...qos(FABRIC) });
  pipeline.addInterface(TAGGED, { mac: MAC_A, vlan: VLAN, ...qos(1) });
  pipeline.receiveOn(1);
  pipeline.receiveOn(TAGGED, VLAN);
  pipeline.setNexthop(UPLINK, "interface", { interface: FABRIC, mac: PEER_MAC, sourceMac: FABRIC_MAC });
  pipeline.addRoute(1, "10.97.0.2/32", 2);
  pipeline.addRoute(1, "fd00:97::2/128", 2);
});

function packet(name: string): Uint8Array {
  const found = packets[name];
  if (found === undefined) throw new Error(`no packet ${name}`);
  return found;
}

/** The expected packet with the source port that the actual one has. */
function withPort(expected: Uint8Array, actual: Uint8Array): Uint8Array {
  const v6 = expected[12] === 0x86;
  if (expected[v6 ? 20 : 23] !== 17) return expected;
  const copy = expected.slice();
  const at = v6 ? 54 : 34;
  copy.set(actual.subarray(at, at + 2), at);
  return copy;
}

describe.each(hooks)("on the %s hook", (hook) => {
  describe.each(families)("%s", (family) => {
    test("every DSCP becomes that of its class where the packet leaves; ECN stays", () => {
      setQosMap(pipeline, 1, { dscp: identity });
      setQosMap(pipeline, 2, { marks: Object.fromEntries(range(64).map((i) => [i, { dscp: 63 - i }])) });
      for (const dscp of range(64)) {
        const out = pipeline.run(hook, packet(`near ${family} ${dscp}`));
        expect(out.verdict).toBe("out");
        expect(out.data).toEqual(packet(`marked ${family} ${dscp}`));
      }
    });

    test("a code point that the map does not have leaves as it came", () => {
      setQosMap(pipeline, 1, { dscp: { 46: 5 } });
      setQosMap(pipeline, 2, { marks: { 5: { dscp: 1 }, 0: { dscp: 2 } } });
      const out = pipeline.run(hook, packet(`near ${family} 10`)).data;
      expect(out[family === "v4" ? 15 : 14]).toBe(packet(`near ${family} 10`)[family === "v4" ? 15 : 14] ?? -1);
    });

    test("the priority of a tag chooses the class before the DSCP does", () => {
      setQosMap(pipeline, 1, { dscp: { 0: 63 }, pcp: identity });
      setQosMap(pipeline, 2, { marks: Object.fromEntries(range(8).map((i) => [i, { dscp: 10 + i }])) });
      for (const priority of range(8)) {
        const out = pipeline.run(hook, packet(`tagged ${family} ${priority}`));
        expect(out.data).toEqual(packet(`untagged ${family} ${priority}`));
      }
    });

    test("a packet from a tunnel has the class of its label, else of its outer DSCP", () => {
      pipeline.receiveOn(FABRIC);
      addUnderlayAddress(pipeline, "192.0.2.1");
      addUnderlayAddress(pipeline, "fd00:192::1");
      addVni(pipeline, 77, 1);
      addLabel(pipeline, 100, { nexthop: 2, vrf: 1 });
      setQosMap(pipeline, FABRIC, { dscp: { 8: 8 }, exp: { 0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6 } });
      setQosMap(pipeline, 2, { marks: Object.fromEntries(range(9).map((i) => [i, { dscp: 20 + i }])) });
      for (const o of tunnelCases) {
        setTunnel(pipeline, tunnelId(o), { ...o, underlay: UPLINK });
        for (const exp of range(8)) {
          const out = pipeline.run(hook, packet(`from ${family} ${o.name} ${exp}`));
          expect(out.verdict).toBe("out");
          // What is routed out of VXLAN loses a hop, what a label leads to does not.
          const hop = o.encap === "vxlan" ? "hop " : "";
          expect(out.data).toEqual(packet(`out ${hop}${family} ${o.encap === "vxlan" || exp === 7 ? 8 : exp}`));
        }
      }
    });
  });

  describe.each(tunnelCases)("$name", (o) => {
    beforeEach(() => {
      setTunnel(pipeline, tunnelId(o), { ...o, underlay: UPLINK });
      addLabelledRoute(pipeline, 1, "10.97.9.0/24", tunnelId(o), o.label);
      addLabelledRoute(pipeline, 1, "fd00:97:9::/48", tunnelId(o), o.label);
      setQosMap(pipeline, 1, { dscp: { [EXPEDITED]: 5 } });
    });

    test.each(families)("the class of a %s packet marks the outer headers, and nothing inside", (family) => {
      setQosMap(pipeline, FABRIC, { marks: { 5: { dscp: 34, exp: 6 } } });
      const out = pipeline.run(hook, packet(`far ${family}`));
      expect(out.data).toEqual(withPort(packet(`carried ${family} ${o.name}`), out.data));
    });

    test.each(families)("without marks of its class a %s packet's DSCP is copied", (family) => {
      setQosMap(pipeline, FABRIC, { marks: { 4: { dscp: 34, exp: 6 } } });
      const out = pipeline.run(hook, packet(`far ${family}`));
      expect(out.data).toEqual(withPort(packet(`copied ${family} ${o.name}`), out.data));
    });
  });

  test("a packet goes to the slow path and comes back with its class", () => {
    setQosMap(pipeline, 1, { dscp: {}, pcp: { 6: 7 } });
    setQosMap(pipeline, 2, { marks: { 7: { dscp: 16 } } });
    pipeline.addInterface(TAGGED, { mac: MAC_A, vlan: VLAN, flags: INTERFACE_QOS | INTERFACE_POLICY, qosMap: 1 });
    pipeline.controllerStarts();
    const trap = trapOf(pipeline.run(hook, packet("tagged v4 6")));
    expect(trap).toMatchObject({ reason: "flow-miss", forwardingClass: 8 });
  });
});

test.each(families)("on XDP the tag of a %s packet gets the priority of its class, a tag that it had too", (family) => {
  setQosMap(pipeline, 1, { dscp: identity });
  setQosMap(pipeline, 2, { marks: Object.fromEntries(range(8).map((i) => [i, { pcp: i }])) });
  pipeline.addInterface(2, { mac: MAC_B, vlan: VLAN, flags: INTERFACE_QOS, qosMap: 2 });
  for (const priority of range(8)) {
    const expected = packet(`retagged ${family} ${priority}`);
    expect(pipeline.run("xdp", packet(`plain ${family} ${priority}`)).data).toEqual(expected);
  }
  // It comes with the tag of the interface that it leaves by, and another priority.
  setQosMap(pipeline, 1, { pcp: Object.fromEntries(range(8).map((i) => [7 - i, i])) });
  for (const priority of range(8)) {
    const out = pipeline.run("xdp", packet(`tagged ${family} ${7 - priority}`)).data;
    expect([out[14], out[15]]).toEqual([(priority << 5) | (VLAN >> 8), VLAN & 255]);
  }
});

test("on TC the priority of the class is that of the packet in the kernel", () => {
  setQosMap(pipeline, 1, { dscp: identity });
  setQosMap(pipeline, 2, { marks: { 3: { pcp: 5 } } });
  const run = (dscp: number) =>
    pipeline.collection
      .program("weir_tc")
      .testRun({ data: packet(`near v4 ${dscp}`), context: skbContext({ priority: 0 }) });
  const priority = (context: Uint8Array) => viewOf(context).getUint32(skbPriorityAt(), true);
  expect(priority(run(3).context)).toBe(5);
  expect(priority(run(4).context)).toBe(0);
});

/** Offset of `priority` in a `struct __sk_buff`: where a context that sets it to all ones has them. */
function skbPriorityAt(): number {
  return skbContext({ priority: 0xff }).indexOf(0xff);
}
