// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, test } from "bun:test";
import {
  builtInTopology,
  GATEWAY_MAC,
  GATEWAY4,
  GATEWAY6,
  Lab,
  mixedVxlanTopology,
  nodes,
  outsideHost,
  ROUTED_VNI,
  ROUTER,
  routedHost,
  topologyNames,
} from "../../sdk/lab/index.ts";

const prefix = `wN-${process.pid}-`;
const { n1, n2 } = nodes;
const [a1, b1] = n1.pods;
const [a2, b2] = n2.pods;

afterEach(() => {
  Lab.find(prefix)?.destroy();
});

async function received(lab: Lab, from: string, to: string, o: object = {}): Promise<number> {
  return (await lab.ping(from, to, { timeoutMs: 300, ...o })).received;
}

test("every built-in topology can be made and removed", () => {
  expect(topologyNames).toEqual([
    "pods",
    "routed",
    "two-nodes",
    "two-uplinks",
    "outside",
    "kernel-vxlan",
    "mixed-vxlan",
  ]);
  for (const name of topologyNames) {
    using lab = Lab.create(name, { prefix });
    expect(lab.topology).toEqual(JSON.parse(JSON.stringify(builtInTopology(name))));
  }
});

describe("two nodes", () => {
  test("reach each other over a fabric that an encapsulated packet fits in, and connect no pods", async () => {
    await using lab = Lab.create("two-nodes", { prefix });
    expect(await received(lab, "n1", n2.underlay4, { sizeBytes: 1572, dontFragment: true })).toBe(1);
    expect(await received(lab, "n2", n1.underlay6)).toBe(1);
    expect(await received(lab, "a1", b1.ipv4)).toBe(0);
    expect(await received(lab, "a1", a2.ipv4)).toBe(0);
    using netlink = lab.netlink("n1");
    expect(netlink.link("f0")).toMatchObject({ mac: n1.fabricMac, mtu: 1600 });
    expect(netlink.link(a1.device)).toMatchObject({ running: true, mtu: 1500 });
  });

  test("with two uplinks reach each other by both, and by one when the other loses its carrier", async () => {
    await using lab = Lab.create("two-uplinks", { prefix });
    using netlink = lab.netlink("n1");
    for (const to of [n2.underlay4, n2.underlay6]) {
      const route = netlink.lookupRoute(to, { entry: true });
      expect(route.nextHops.map(({ ifindex }) => netlink.link(ifindex ?? 0)?.name)).toEqual(["f0", "f1"]);
      expect(await received(lab, "n1", to)).toBe(1);
    }
    using router = lab.netlink(ROUTER);
    router.setLink("n1f0", { up: false });
    for (const to of [n2.underlay4, n2.underlay6]) {
      expect(await received(lab, "n1", to, { count: 4 })).toBe(4);
      expect(netlink.lookupRoute(to).nextHops.map(({ ifindex }) => netlink.link(ifindex ?? 0)?.name)).toEqual(["f1"]);
    }
  });

  test("may have a host outside, which is linked to the first", async () => {
    await using lab = Lab.create("outside", { prefix });
    for (const address of [outsideHost.node4, outsideHost.node6]) {
      expect(await received(lab, outsideHost.name, address)).toBe(1);
    }
    using netlink = lab.netlink(outsideHost.name);
    expect(netlink.lookupRoute(a2.ipv4).nextHops[0]?.gateway).toBe(outsideHost.node4);
    expect(netlink.lookupRoute(a2.ipv6).nextHops[0]?.gateway).toBe(outsideHost.node6);
  });
});

describe("the kernel's own VXLAN", () => {
  test.each([4, 6] as const)("connects the pods of both nodes over IPv%i", async (underlay) => {
    await using lab = Lab.create(builtInTopology("kernel-vxlan", { underlay }), { prefix });
    for (const [from, to] of [
      [a1, a2],
      [b2, b1],
      [a1, b1],
    ] as const) {
      expect(await received(lab, from.name, to.ipv4, { timeoutMs: 1000 })).toBe(1);
      expect(await received(lab, from.name, to.ipv6, { timeoutMs: 1000 })).toBe(1);
    }
    expect(await received(lab, a1.name, b2.ipv4, { sizeBytes: 1472, dontFragment: true })).toBe(1);
  });

  test("at the far end alone bridges its pods and routes by the gateway's MAC", async () => {
    await using lab = Lab.create(mixedVxlanTopology(), { prefix });
    // A kernel's device in the place of the data plane shows that the far end is right.
    using near = lab.netlink("n1");
    const parent = near.link("f0")?.index ?? 0;
    const segment = { kind: "vxlan", local: n1.underlay4, remote: n2.underlay4, parent, mtu: 1500 } as const;
    near.addLink({ ...segment, name: "bridged", vni: 77, mac: "02:00:00:00:01:77", up: true });
    const routed = near.addLink({ ...segment, name: "routed", vni: ROUTED_VNI, mac: GATEWAY_MAC, up: true });
    near.addAddress({ ifindex: near.link("bridged")?.index ?? 0, address: "10.97.1.9/16" });
    for (const address of [GATEWAY4, GATEWAY6, "10.97.1.10/32", "fd00:97::1:10/128"]) {
      near.addAddress({ ifindex: routed.index, address, noDad: true });
    }
    for (const address of [routedHost.ipv4, routedHost.ipv6]) {
      near.addRoute({ destination: address, ifindex: routed.index });
      near.setNeighbour({ ifindex: routed.index, address, mac: routedHost.mac });
    }
    expect(await received(lab, "n1", a2.ipv4, { timeoutMs: 1000 })).toBe(1);
    expect(await received(lab, "n2", "10.97.1.10", { timeoutMs: 1000 })).toBe(1);
    expect(await received(lab, "n2", "fd00:97::1:10", { timeoutMs: 1000 })).toBe(1);
  });
});
