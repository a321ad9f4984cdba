// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { Netlink } from "../../sdk/netlink/index.ts";
import { expectAgreement } from "./netlink_oracle.ts";
import { settle, TestNamespace, thrownBy } from "./netlink_support.ts";

function setUp(ns: TestNamespace): { netlink: Netlink; ifindex: number } {
  const netlink = Netlink.open({ netns: ns.name });
  const { index } = netlink.addLink({ kind: "veth", name: "v0", up: true, peer: { name: "v1", up: true } });
  netlink.addAddress({ ifindex: index, address: "10.1.0.1/24" });
  netlink.addAddress({ ifindex: index, address: "fd00:1::1/64", noDad: true });
  return { netlink, ifindex: index };
}

describe("neighbours", () => {
  test("are listed as ip(8) lists them", () => {
    using ns = new TestNamespace();
    const { netlink, ifindex } = setUp(ns);
    using _ = netlink;
    netlink.setNeighbour({ ifindex, address: "10.1.0.2", mac: "02:00:00:00:00:02" });
    netlink.setNeighbour({ ifindex, address: "10.1.0.3", mac: "02:00:00:00:00:03", state: "stale" });
    netlink.setNeighbour({ ifindex, address: "10.1.0.4", state: "failed" });
    netlink.setNeighbour({ ifindex, address: "fd00:1::2", mac: "02:00:00:00:00:12", router: true });
    netlink.setNeighbour({ ifindex, address: "fd00:1::3", mac: "02:00:00:00:00:13", state: "noarp" });
    netlink.setNeighbour({ ifindex, address: "10.1.0.9", proxy: true });
    netlink.setNeighbour({ ifindex, address: "fd00:1::9", proxy: true });
    expect(expectAgreement(ns, netlink, "neighbours")).toBe(7);
    netlink.deleteNeighbour({ ifindex, address: "10.1.0.9", proxy: true });
    expect(netlink.neighbours({ proxy: true }).map(({ address }) => address)).toEqual(["fd00:1::9"]);
  });

  test("are filtered by link and family", () => {
    using ns = new TestNamespace();
    const { netlink, ifindex } = setUp(ns);
    using _ = netlink;
    netlink.setNeighbour({ ifindex, address: "10.1.0.2", mac: "02:00:00:00:00:02" });
    netlink.setNeighbour({ ifindex, address: "fd00:1::2", mac: "02:00:00:00:00:12" });
    expect(netlink.neighbours({ ifindex, family: 4 }).map(({ address }) => address)).toEqual(["10.1.0.2"]);
    const other = netlink.link("v1")?.index;
    expect(netlink.neighbours({ ifindex: other, family: 4 })).toEqual([]);
  });

  test("are looked up, changed and deleted one by one", () => {
    using ns = new TestNamespace();
    const { netlink, ifindex } = setUp(ns);
    using _ = netlink;
    const address = "10.1.0.2";
    expect(netlink.neighbour(ifindex, address)).toBeUndefined();
    netlink.setNeighbour({ ifindex, address, mac: "02:00:00:00:00:02" });
    expect(netlink.neighbour(ifindex, address)).toMatchObject({ mac: "02:00:00:00:00:02", state: "permanent" });
    netlink.setNeighbour({ ifindex, address, mac: "02:00:00:00:00:09", state: "reachable", externallyLearned: true });
    expect(netlink.neighbour(ifindex, address)).toMatchObject({ mac: "02:00:00:00:00:09", externallyLearned: true });
    expect(
      thrownBy(() => netlink.setNeighbour({ ifindex, address, mac: "02:00:00:00:00:09", exclusive: true })),
    ).toContain("EEXIST");
    netlink.deleteNeighbour({ ifindex, address });
    expect(["failed", undefined]).toContain(netlink.neighbour(ifindex, address)?.state);
    expect(thrownBy(() => netlink.deleteNeighbour({ ifindex, address: "10.1.0.77" }))).toContain("ENOENT");
  });

  test("are asked for their MAC when told to resolve", async () => {
    using near = new TestNamespace();
    using far = new TestNamespace();
    using netlink = Netlink.open({ netns: near.name });
    using there = Netlink.open({ netns: far.name });
    const mac = "02:00:00:00:01:0a";
    const { index: ifindex } = netlink.addLink({
      kind: "veth",
      name: "v0",
      up: true,
      peer: { name: "eth0", netns: far.name, mac, up: true },
    });
    netlink.addAddress({ ifindex, address: "10.1.0.1/24" });
    there.addAddress({ ifindex: there.link("eth0")?.index ?? 0, address: "10.1.0.2/24" });
    netlink.setNeighbour({ ifindex, address: "10.1.0.2", resolve: true });
    await settle(() => netlink.neighbour(ifindex, "10.1.0.2")?.mac === mac);
  });
});
