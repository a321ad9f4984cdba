// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { Netlink, type NexthopInfo } from "../../sdk/netlink/index.ts";
import { settle, TestNamespace } from "./netlink_support.ts";

interface IpNexthop {
  id: number;
  gateway?: string;
  dev?: string;
  group?: { id: number; weight?: number }[];
  type?: string;
  blackhole?: null;
  fdb?: null;
  flags: string[];
}

function setUp(ns: TestNamespace): { netlink: Netlink; v0: number } {
  const netlink = Netlink.open({ netns: ns.name });
  netlink.addLink({ kind: "veth", name: "v0", up: true, peer: { name: "v1", up: true } });
  const v0 = netlink.link("v0")?.index ?? 0;
  netlink.addAddress({ ifindex: v0, address: "10.1.0.1/24" });
  netlink.addAddress({ ifindex: v0, address: "fd00:1::1/64", noDad: true });
  ns.run("ip", "nexthop", "add", "id", "1", "via", "10.1.0.2", "dev", "v0");
  ns.run("ip", "nexthop", "add", "id", "2", "via", "10.1.0.3", "dev", "v0");
  ns.run("ip", "nexthop", "add", "id", "3", "dev", "v0");
  ns.run("ip", "nexthop", "add", "id", "4", "blackhole");
  ns.run("ip", "nexthop", "add", "id", "5", "via", "fd00:1::2", "dev", "v0");
  ns.run("ip", "nexthop", "add", "id", "6", "via", "10.9.0.1", "dev", "v0", "onlink");
  ns.run("ip", "nexthop", "add", "id", "7", "via", "10.1.0.9", "fdb");
  ns.run("ip", "nexthop", "add", "id", "10", "group", "1,3/2,2");
  ns.run("ip", "nexthop", "add", "id", "11", "group", "1/2", "type", "resilient", "buckets", "8");
  return { netlink, v0 };
}

/** What ip(8) shows, in our words. */
function expected(shown: IpNexthop, v0: number): object {
  const group = shown.group;
  return {
    id: shown.id,
    ifindex: shown.dev === "v0" ? v0 : undefined,
    gateway: shown.gateway,
    members: group?.map(({ id, weight }) => ({ id, weight: weight ?? 1 })),
    groupType: group === undefined ? undefined : shown.type === "resilient" ? "resilient" : "multipath",
    blackhole: shown.blackhole === null,
    fdb: shown.fdb === null,
    onlink: shown.flags.includes("onlink"),
  };
}

function described(nexthop: NexthopInfo): object {
  const { id, ifindex, gateway, members, groupType, blackhole, fdb, onlink } = nexthop;
  return { id, ifindex, gateway, members, groupType, blackhole, fdb, onlink };
}

describe("nexthop objects", () => {
  test("are listed as ip(8) lists them", () => {
    using ns = new TestNamespace();
    const { netlink, v0 } = setUp(ns);
    using _ = netlink;
    const shown = ns.ip<IpNexthop>("nexthop", "show").map((nexthop) => expected(nexthop, v0));
    expect(netlink.nexthops().map(described)).toEqual(shown);
    expect(shown).toHaveLength(9);
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

  test("are watched", async () => {
    using ns = new TestNamespace();
    const { netlink } = setUp(ns);
    using _ = netlink;
    const seen: string[] = [];
    using __ = netlink.watch(["nexthop"], (event) => {
      if (event.kind === "nexthop") seen.push(`${event.change} ${event.nexthop.id} ${event.nexthop.gateway ?? "-"}`);
    });
    ns.run("ip", "nexthop", "replace", "id", "1", "via", "10.1.0.7", "dev", "v0");
    ns.run("ip", "nexthop", "del", "id", "5");
    await settle(() => seen.includes("delete 5 fd00:1::2"));
    expect(seen).toContain("new 1 10.1.0.7");
  });
});
