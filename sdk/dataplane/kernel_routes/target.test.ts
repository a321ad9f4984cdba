// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import type { NexthopInfo, RouteNextHop } from "../../netlink/index.ts";
import type { Interface } from "../schema/index.ts";
import type { KernelWay } from "./kernel_way.ts";
import { resolveWay, type Surroundings } from "./target.ts";

const hop = (o: Partial<RouteNextHop>): RouteNextHop => ({
  ifindex: 2,
  gateway: undefined,
  weight: 1,
  onlink: false,
  dead: false,
  linkDown: false,
  encapType: 0,
  encap: undefined,
  ...o,
});
const way = (...hops: RouteNextHop[]): KernelWay => ({ type: "unicast", hops, nexthopId: undefined });
const via = (gateway: string, o: Partial<RouteNextHop> = {}) => hop({ gateway, ...o });
const labelled = (...labels: number[]): Partial<RouteNextHop> => ({ encapType: 1, encap: { type: "mpls", labels } });

const objects = new Map<number, NexthopInfo>();
const interfaces: Readonly<Record<number, Interface>> = {
  2: { name: "f0", role: "fabric" },
  3: { name: "h0", role: "workload", vrf: "red" },
  4: { name: "a-fabric-interface-with-a-name-of-fifty-characters", device: "f4", role: "fabric" },
};
const around: Surroundings = {
  underlayFamily: 4,
  sourceTo: (address) => (address === "2001:db8::2" ? "2001:db8::1" : undefined),
  interfaceOn: (ifindex) => interfaces[ifindex],
  routerMac: (ifindex, gateway) => (ifindex === 9 && gateway === "192.0.2.2" ? "02:00:00:00:99:02" : undefined),
  nexthop: (id) => objects.get(id),
};
const vxlan = { table: 100, encap: "vxlan", vni: 77 } as const;
const mpls = { table: 100, encap: "mpls-udp" } as const;
const plain = { table: 100 } as const;

describe("a way with an encapsulation", () => {
  test("is a tunnel to its gateway, with the VRF's VNI", () => {
    expect(resolveWay(way(via("192.0.2.2")), vxlan, around)).toEqual({
      target: { via: "kernel:vxlan:192.0.2.2", vni: 77 },
      nexthops: [{ name: "kernel:vxlan:192.0.2.2", type: "tunnel", encap: "vxlan", remote: "192.0.2.2" }],
    });
  });

  test("to a gateway of the other family is a tunnel from the kernel's own source", () => {
    expect(resolveWay(way(via("2001:db8::2")), vxlan, around)).toMatchObject({
      nexthops: [{ remote: "2001:db8::2", local: "2001:db8::1" }],
    });
    expect(resolveWay(way(via("2001:db8::9")), vxlan, around)).toEqual({ ignored: "unusable-gateway" });
  });

  test("gets the route's label before the VRF's, and needs one of them", () => {
    const to = (config: object, o: Partial<RouteNextHop> = {}) =>
      resolveWay(way(via("192.0.2.2", o)), { ...mpls, ...config }, around);
    expect(to({ label: 100 }, labelled(200))).toMatchObject({ target: { label: 200 } });
    expect(to({ label: 100 })).toMatchObject({ target: { label: 100 } });
    expect(to({})).toEqual({ ignored: "no-label" });
    expect(to({}, labelled(200, 201))).toEqual({ ignored: "encapsulated" });
    expect(resolveWay(way(via("192.0.2.2", labelled(200))), vxlan, around)).toEqual({ ignored: "encapsulated" });
  });

  test("of its own that names a VNI is a tunnel to its end", () => {
    const own = (o: object) =>
      via("10.0.0.1", {
        encapType: 2,
        encap: { type: "ip", id: 4242n, source: "0.0.0.0", destination: "192.0.2.3", ttl: 0, typeOfService: 0, ...o },
      });
    expect(resolveWay(way(own({})), vxlan, around)).toEqual({
      target: { via: "kernel:vxlan:192.0.2.3", vni: 4242 },
      nexthops: [{ name: "kernel:vxlan:192.0.2.3", type: "tunnel", encap: "vxlan", remote: "192.0.2.3" }],
    });
    expect(resolveWay(way(own({ id: 1n << 24n })), vxlan, around)).toEqual({ ignored: "encapsulated" });
    expect(resolveWay(way(own({ destination: "0.0.0.0" })), vxlan, around)).toEqual({ ignored: "unusable-gateway" });
    expect(resolveWay(way(own({})), { ...mpls, label: 100 }, around)).toEqual({ ignored: "encapsulated" });
    expect(resolveWay(way(own({})), plain, around)).toEqual({ ignored: "encapsulated" });
  });

  test("carries the MAC that a control plane has entered for its gateway", () => {
    expect(resolveWay(way(via("192.0.2.2", { ifindex: 9 })), vxlan, around)).toEqual({
      target: { via: "kernel:vxlan:192.0.2.2@02:00:00:00:99:02", vni: 77 },
      nexthops: [
        {
          name: "kernel:vxlan:192.0.2.2@02:00:00:00:99:02",
          type: "tunnel",
          encap: "vxlan",
          remote: "192.0.2.2",
          routerMac: "02:00:00:00:99:02",
        },
      ],
    });
  });

  test("is none without a gateway that a tunnel can end at", () => {
    expect(resolveWay(way(hop({})), vxlan, around)).toEqual({ ignored: "no-gateway" });
    expect(resolveWay(way(via("fe80::1")), vxlan, around)).toEqual({ ignored: "unusable-gateway" });
    expect(resolveWay(way(via("fe80::1"), via("192.0.2.2")), vxlan, around)).toMatchObject({
      target: { via: "kernel:vxlan:192.0.2.2" },
    });
  });
});

describe("a way without an encapsulation", () => {
  test("is a neighbour behind a fabric interface, or the workload on its device", () => {
    expect(resolveWay(way(via("192.0.2.2")), plain, around)).toEqual({
      target: { via: "kernel:f0:192.0.2.2" },
      nexthops: [{ name: "kernel:f0:192.0.2.2", type: "interface", device: "f0", gateway: "192.0.2.2" }],
    });
    expect(resolveWay(way(via("fe80::1")), plain, around)).toMatchObject({ target: { via: "kernel:f0:fe80::1" } });
    expect(resolveWay(way(hop({ ifindex: 3 })), plain, around)).toEqual({ target: { via: "h0" }, nexthops: [] });
    expect(resolveWay(way(hop({})), plain, around)).toEqual({ ignored: "no-gateway" });
    expect(resolveWay(way(via("192.0.2.2", { ifindex: 9 })), plain, around)).toEqual({ ignored: "no-interface" });
    expect(resolveWay(way(via("192.0.2.2", labelled(7))), plain, around)).toEqual({ ignored: "encapsulated" });
  });

  test("has a name that fits, however long the interface's is", () => {
    const resolution = resolveWay(way(via("2001:db8:1:2:3:4:5:6", { ifindex: 4 })), plain, around);
    expect("target" in resolution && resolution.target.via).toMatch(/^kernel:[0-9a-f]{24}$/);
  });
});

describe("several ways", () => {
  test("are an ecmp with their weights, the same for the same choice; two to one gateway are one", () => {
    const several = way(via("192.0.2.2", { weight: 3 }), via("192.0.2.3"), via("192.0.2.2", { ifindex: 4 }));
    const resolution = resolveWay(several, vxlan, around);
    expect(resolution).toMatchObject({
      nexthops: [
        { name: "kernel:vxlan:192.0.2.2" },
        { name: "kernel:vxlan:192.0.2.3" },
        {
          type: "ecmp",
          members: [
            { nexthop: "kernel:vxlan:192.0.2.2", vni: 77, weight: 4 },
            { nexthop: "kernel:vxlan:192.0.2.3", vni: 77, weight: 1 },
          ],
        },
      ],
    });
    expect(resolveWay(way(...several.hops), vxlan, around)).toEqual(resolution);
  });

  test("of a nexthop object are its members', as long as it is there", () => {
    const object = (o: Partial<NexthopInfo>) =>
      ({ ...hop({}), blackhole: false, members: undefined, ...o }) as NexthopInfo;
    const group: KernelWay = { type: "unicast", hops: [], nexthopId: 10 };
    expect(resolveWay(group, vxlan, around)).toEqual({ ignored: "no-nexthop" });
    objects.set(1, object({ id: 1, gateway: "192.0.2.2" }));
    objects.set(2, object({ id: 2, gateway: "192.0.2.3" }));
    objects.set(
      10,
      object({
        id: 10,
        members: [
          { id: 1, weight: 3 },
          { id: 2, weight: 1 },
        ],
      }),
    );
    const direct = resolveWay(way(via("192.0.2.2", { weight: 3 }), via("192.0.2.3")), vxlan, around);
    expect(resolveWay(group, vxlan, around)).toEqual(direct);
    objects.set(10, object({ id: 10, blackhole: true }));
    expect(resolveWay(group, vxlan, around)).toEqual({ target: { via: "discard" }, nexthops: [] });
  });
});

test("what refuses packets is discard, and what has no counterpart is left out", () => {
  const of = (type: KernelWay["type"]) => resolveWay({ type, hops: [], nexthopId: undefined }, vxlan, around);
  for (const type of ["blackhole", "unreachable", "prohibit"] as const) {
    expect(of(type)).toEqual({ target: { via: "discard" }, nexthops: [] });
  }
  for (const type of ["local", "throw", "multicast", "broadcast"] as const)
    expect(of(type)).toEqual({ ignored: "type" });
});
