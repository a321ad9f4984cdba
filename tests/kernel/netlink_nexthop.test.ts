// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { Netlink, type NexthopInfo } from "../../sdk/netlink/index.ts";
import { expectAgreement } from "./netlink_oracle.ts";
import { settle, TestNamespace, thrownBy } from "./netlink_support.ts";

function setUp(ns: TestNamespace): { netlink: Netlink; v0: number } {
  const netlink = Netlink.open({ netns: ns.name });
  netlink.addLink({ kind: "veth", name: "v0", up: true, peer: { name: "v1", up: true } });
  const v0 = netlink.link("v0")?.index ?? 0;
  netlink.addAddress({ ifindex: v0, address: "10.1.0.1/24" });
  netlink.addAddress({ ifindex: v0, address: "fd00:1::1/64", noDad: true });
  netlink.addNexthop({ id: 1, gateway: "10.1.0.2", ifindex: v0 });
  netlink.addNexthop({ id: 2, gateway: "10.1.0.3", ifindex: v0, protocol: 186 });
  netlink.addNexthop({ id: 3, ifindex: v0 });
  netlink.addNexthop({ id: 4, blackhole: true });
  netlink.addNexthop({ id: 5, gateway: "fd00:1::2", ifindex: v0 });
  netlink.addNexthop({ id: 6, gateway: "10.9.0.1", ifindex: v0, onlink: true });
  netlink.addNexthop({ id: 7, gateway: "10.1.0.9", fdb: true });
  const members = [
    { id: 1, weight: 3 },
    { id: 2, weight: 2 },
  ];
  netlink.addNexthop({ id: 10, members });
  netlink.addNexthop({ id: 11, members, resilient: { buckets: 8, idleSeconds: 30 } });
  return { netlink, v0 };
}

describe("nexthop objects", () => {
  test("are listed as ip(8) lists them", () => {
    using ns = new TestNamespace();
    const { netlink } = setUp(ns);
    using _ = netlink;
    expect(expectAgreement(ns, netlink, "nexthops")).toBe(9);
    expect(netlink.nexthop(11)?.resilient).toEqual({ buckets: 8, idleSeconds: 30, unbalancedSeconds: 0 });
    expect(netlink.nexthop(11)?.members).toEqual([
      { id: 1, weight: 3 },
      { id: 2, weight: 2 },
    ]);
  });

  test("are filtered, and looked up by id", () => {
    using ns = new TestNamespace();
    const { netlink, v0 } = setUp(ns);
    using _ = netlink;
    const ids = (list: readonly NexthopInfo[]) => list.map(({ id }) => id);
    expect(ids(netlink.nexthops({ groups: true }))).toEqual([10, 11]);
    expect(ids(netlink.nexthops({ ifindex: v0, family: 6 }))).toEqual([5]);
    expect(netlink.nexthop(2)).toMatchObject({ family: 4, gateway: "10.1.0.3", ifindex: v0 });
    expect(netlink.nexthop(77)).toBeUndefined();
  });

  test("are what routes refer to, which show the ways out too", () => {
    using ns = new TestNamespace();
    const { netlink, v0 } = setUp(ns);
    using _ = netlink;
    netlink.addRoute({ destination: "10.5.0.0/16", nexthopId: 10 });
    const [route] = netlink.routes({ table: 254 }).filter(({ destination }) => destination === "10.5.0.0/16");
    expect(route).toMatchObject({ nexthopId: 10 });
    expect(netlink.lookupRoute("10.5.0.1", { entry: true }).nextHops).toMatchObject([
      { ifindex: v0, gateway: "10.1.0.2", weight: 3 },
      { ifindex: v0, gateway: "10.1.0.3", weight: 2 },
    ]);
  });

  test("are made once, replaced and deleted", () => {
    using ns = new TestNamespace();
    const { netlink, v0 } = setUp(ns);
    using _ = netlink;
    expect(thrownBy(() => netlink.addNexthop({ id: 1, ifindex: v0 }))).toMatch(/^Cannot add nexthop 1: EEXIST \(/);
    netlink.replaceNexthop({ id: 1, gateway: "10.1.0.7", ifindex: v0 });
    expect(netlink.nexthop(1)?.gateway).toBe("10.1.0.7");
    expect(thrownBy(() => netlink.addNexthop({ id: 20, members: [{ id: 99, weight: 1 }] }))).toMatch(
      /^Cannot add nexthop 20: EINVAL \(/,
    );
    netlink.deleteNexthop(5);
    expect(netlink.nexthop(5)).toBeUndefined();
    expect(thrownBy(() => netlink.deleteNexthop(5))).toMatch(/^Cannot delete nexthop 5: ENOENT/);
  });

  test("are watched", async () => {
    using ns = new TestNamespace();
    const { netlink, v0 } = setUp(ns);
    using _ = netlink;
    const seen: string[] = [];
    using __ = netlink.watch(["nexthop"], (event) => {
      if (event.kind === "nexthop") seen.push(`${event.change} ${event.nexthop.id} ${event.nexthop.gateway ?? "-"}`);
    });
    netlink.replaceNexthop({ id: 1, gateway: "10.1.0.7", ifindex: v0 });
    netlink.deleteNexthop(5);
    await settle(() => seen.includes("delete 5 fd00:1::2"));
    expect(seen).toContain("new 1 10.1.0.7");
  });
});
