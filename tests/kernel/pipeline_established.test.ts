// SPDX-License-Identifier: Apache-2.0
/** The short ways of packets whose flow is established: no route, and hints instead of hash tables. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  INGRESS_TUNNEL,
  InterfaceRoleValue,
  NEXTHOP_FLAG_POLICY,
  VRF_POLICY,
  WEIR_LOW_NUMBERS,
} from "../../sdk/layout/generated.ts";
import { hooks, LOOPBACK, Pipeline } from "./pipeline_harness.ts";
import { addLabel, addUnderlayAddress, addVni, setTunnel } from "./pipeline_overlay.ts";
import { GATEWAY_MAC, MAC_A, MAC_B } from "./pipeline_packets.ts";
import { u32, u32s } from "./pipeline_table.ts";
import { outerHeaders, tunnelCases, tunnelId } from "./pipeline_tunnels.ts";
import { SCAPY_TIMEOUT_MS, scapyPackets } from "./scapy.ts";

const FABRIC = 3;
const UPLINK = 50;
const HIGH = WEIR_LOW_NUMBERS + 5;
const FLOW = { source: "10.97.9.2", destination: "10.97.0.2" };

let pipeline: Pipeline;
let packets: Record<string, Uint8Array>;

beforeAll(() => {
  pipeline = new Pipeline();
  const inner = (ttl: number) =>
    `IP(src="10.97.9.2",dst="10.97.0.2",ttl=${ttl})/UDP(sport=1000,dport=2000)/b"abcdefgh"`;
  const texts: Record<string, string> = {};
  for (const ttl of [63, 64]) texts[`out ${ttl}`] = `Ether(src="${GATEWAY_MAC}",dst="${MAC_B}")/${inner(ttl)}`;
  for (const o of tunnelCases) {
    const eth = o.encap === "vxlan" ? `/Ether(src="${GATEWAY_MAC}",dst="${GATEWAY_MAC}")` : "";
    for (const [name, h] of Object.entries({ low: {}, high: { id: HIGH } }))
      texts[`${name} ${o.name}`] = `${outerHeaders(o, { reverse: true, labelTtl: 64, ...h })}${eth}/${inner(64)}`;
  }
  packets = scapyPackets(texts);
}, SCAPY_TIMEOUT_MS);
afterAll(() => pipeline[Symbol.dispose]());

beforeEach(() => {
  pipeline.clear();
  pipeline.addInterface(1, { mac: MAC_A });
  pipeline.addInterface(2, { mac: MAC_B, nexthopFlags: NEXTHOP_FLAG_POLICY });
  pipeline.addInterface(FABRIC, { vrf: 99, role: InterfaceRoleValue.fabric });
  pipeline.setNexthop(UPLINK, "interface", { interface: FABRIC });
  pipeline.receiveOn(FABRIC);
  pipeline.map("vrfs").update(u32(1), u32s(VRF_POLICY, 0, 0, 0));
  addUnderlayAddress(pipeline, "192.0.2.1");
  addUnderlayAddress(pipeline, "fd00:192::1");
  for (const name of ["low_labels", "low_vnis"]) pipeline.empty(name);
  for (const name of ["labels", "vnis", "routes4"]) {
    const map = pipeline.map(name);
    for (const { key } of map.entries()) map.delete(key.slice());
  }
});

function packet(name: string): Uint8Array {
  const found = packets[name];
  if (found === undefined) throw new Error(`no packet ${name}`);
  return found;
}

const ingressOf = (tunnel: number): number => (INGRESS_TUNNEL | tunnel) >>> 0;

describe.each(hooks)("on the %s hook", (hook) => {
  const vxlan = tunnelCases.filter(({ encap }) => encap === "vxlan");

  describe.each(vxlan)("out of $name", (o) => {
    const id = tunnelId(o);

    beforeEach(() => {
      setTunnel(pipeline, id, { ...o, underlay: UPLINK, counter: 6 });
      addVni(pipeline, 77, 1);
    });

    test("an established flow takes no route where the VRF has policy", () => {
      pipeline.decide(FLOW, { ingress: ingressOf(id), nexthop: 2 });
      const out = pipeline.run(hook, packet(`low ${o.name}`));
      expect(out.verdict).toBe("out");
      expect(out.data).toEqual(packet("out 63"));
      expect(pipeline.flow(FLOW)?.packets).toBe(1);
      expect(pipeline.counter(FABRIC, "flowHits")).toBe(1);
    });

    test("it takes one where no interface of the VRF has policy", () => {
      pipeline.map("vrfs").update(u32(1), u32s(0, 0, 0, 0));
      pipeline.decide(FLOW, { ingress: ingressOf(id), nexthop: 2 });
      expect(pipeline.run(hook, packet(`low ${o.name}`)).verdict).toBe("drop");
      expect(pipeline.drops(FABRIC)).toEqual({ "no-route": 1 });
    });

    test("a flow to an interface that has policy no more is not followed", () => {
      pipeline.setNexthop(2, "interface", { interface: 2, mac: MAC_B });
      pipeline.decide(FLOW, { ingress: ingressOf(id), nexthop: 2 });
      pipeline.setNexthop(60, "discard");
      pipeline.addRoute(1, "10.97.0.2/32", 60);
      expect(pipeline.run(hook, packet(`low ${o.name}`)).verdict).toBe("drop");
      expect(pipeline.drops(FABRIC)).toEqual({ discard: 1 });
      expect(pipeline.flow(FLOW)?.packets).toBe(0);
    });

    test("a flow that was decided for another tunnel is decided anew", () => {
      pipeline.decide(FLOW, { ingress: ingressOf(id + 1), nexthop: 2 });
      pipeline.addRoute(1, "10.97.0.2/32", 2);
      pipeline.run(hook, packet(`low ${o.name}`));
      expect(pipeline.flow(FLOW)?.packets).toBe(0);
    });

    test("a far end that is another tunnel's now is that one's at once", () => {
      pipeline.decide(FLOW, { ingress: ingressOf(id), nexthop: 2 });
      const frame = packet(`low ${o.name}`);
      expect(pipeline.run(hook, frame).verdict).toBe("out");
      const other = o.remote.includes(":") ? "fd00:192::9" : "192.0.2.9";
      setTunnel(pipeline, id, { ...o, remote: other, underlay: UPLINK, counter: 6 });
      setTunnel(pipeline, id + 2, { ...o, underlay: UPLINK, counter: 7 });
      pipeline.decide(FLOW, {
        generation: pipeline.flow(FLOW)?.generation ?? 0,
        ingress: ingressOf(id + 2),
        nexthop: 2,
      });
      expect(pipeline.run(hook, frame).verdict).toBe("out");
      expect(pipeline.flow(FLOW)?.packets).toBe(2);
    });
  });

  test.each(tunnelCases)("$name: a VNI or label is found whether it is low or high", (o) => {
    const table = o.encap === "vxlan" ? "low_vnis" : "low_labels";
    const low = o.encap === "vxlan" ? 77 : 100;
    setTunnel(pipeline, tunnelId(o), { ...o, underlay: UPLINK });
    pipeline.addRoute(1, "10.97.0.2/32", 1);
    for (const number of [low, HIGH]) {
      if (o.encap === "vxlan") addVni(pipeline, number, 1);
      else addLabel(pipeline, number, { nexthop: 1, vrf: 1 });
    }
    for (const name of ["low", "high"]) expect(pipeline.run(hook, packet(`${name} ${o.name}`)).verdict).toBe("out");
    pipeline.empty(table);
    expect(pipeline.run(hook, packet(`low ${o.name}`)).verdict).toBe("drop");
  });

  test("a device that is another interface's now is that one's at once, or nobody's", () => {
    const [o] = vxlan;
    if (o === undefined) throw new Error("no tunnel");
    const frame = packet(`low ${o.name}`);
    const device = u32s(LOOPBACK, 0);
    pipeline.run(hook, frame);
    pipeline.addInterface(4, { vrf: 99, role: InterfaceRoleValue.fabric });
    pipeline.map("interfaces").update(u32(FABRIC), new Uint8Array(pipeline.map("interfaces").valueSize));
    pipeline.map("devices").update(device, u32(4));
    pipeline.run(hook, frame);
    expect(pipeline.counter(FABRIC, "rxPackets")).toBe(1);
    expect(pipeline.counter(4, "rxPackets")).toBe(1);
    pipeline.map("interfaces").update(u32(4), new Uint8Array(pipeline.map("interfaces").valueSize));
    pipeline.map("devices").delete(device);
    expect(pipeline.run(hook, frame).verdict).toBe("drop");
    expect(pipeline.drops(0)).toEqual({ "unknown-interface": 1 });
  });
});
