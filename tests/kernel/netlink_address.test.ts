// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { Netlink } from "../../sdk/netlink/index.ts";
import { expectAgreement } from "./netlink_oracle.ts";
import { TestNamespace, thrownBy } from "./netlink_support.ts";

function setUp(ns: TestNamespace): { netlink: Netlink; ifindex: number } {
  const netlink = Netlink.open({ netns: ns.name });
  const { index } = netlink.addLink({ kind: "veth", name: "v0", up: true, peer: { name: "v1", up: true } });
  return { netlink, ifindex: index };
}

describe("addresses", () => {
  test("are listed as ip(8) lists them", () => {
    using ns = new TestNamespace();
    const { netlink, ifindex } = setUp(ns);
    using _ = netlink;
    netlink.addAddress({ ifindex, address: "10.1.0.1/24", broadcast: "10.1.0.255" });
    netlink.addAddress({ ifindex, address: "10.1.0.2/24" });
    netlink.addAddress({ ifindex, address: "192.0.2.1/32", peer: "192.0.2.2", scope: "link" });
    netlink.addAddress({ ifindex, address: "fd00:1::1/64", noDad: true });
    netlink.addAddress({ ifindex, address: "fd00:1::2" });
    ns.run("ip", "addr", "add", "fd00:1::3/64", "dev", "v0", "valid_lft", "3600", "preferred_lft", "1800");

    expect(expectAgreement(ns, netlink, "addresses")).toBeGreaterThan(7);
    expect(netlink.addresses().some(({ validSeconds }) => validSeconds > 3590 && validSeconds <= 3600)).toBe(true);
  });

  test("are filtered by link and family", () => {
    using ns = new TestNamespace();
    const { netlink, ifindex } = setUp(ns);
    using _ = netlink;
    netlink.addAddress({ ifindex, address: "10.1.0.1/24" });
    netlink.addAddress({ ifindex, address: "fd00:1::1/64" });
    expect(netlink.addresses({ ifindex, family: 4 }).map(({ address }) => address)).toEqual(["10.1.0.1"]);
    expect(netlink.addresses({ family: 4 }).map(({ address }) => address)).toEqual(["127.0.0.1", "10.1.0.1"]);
    expect(netlink.addresses({ ifindex }).every((a) => a.ifindex === ifindex)).toBe(true);
    expect(netlink.addresses({ ifindex, family: 6 })).toHaveLength(2);
  });

  test("of IPv6 are usable at once with noDad, and tentative without", () => {
    using ns = new TestNamespace();
    const { netlink, ifindex } = setUp(ns);
    using _ = netlink;
    netlink.addAddress({ ifindex, address: "fd00:1::1/64", noDad: true });
    netlink.addAddress({ ifindex, address: "fd00:1::2/64" });
    const tentative = new Map(netlink.addresses({ ifindex }).map((a) => [a.address, a.tentative]));
    expect(tentative.get("fd00:1::1")).toBe(false);
    expect(tentative.get("fd00:1::2")).toBe(true);
  });

  test("add no route to their prefix when told so", () => {
    using ns = new TestNamespace();
    const { netlink, ifindex } = setUp(ns);
    using _ = netlink;
    netlink.addAddress({ ifindex, address: "10.1.0.1/24", noPrefixRoute: true });
    expect(netlink.routes({ family: 4, table: 254 })).toEqual([]);
  });

  test("are deleted, and given twice only with replace", () => {
    using ns = new TestNamespace();
    const { netlink, ifindex } = setUp(ns);
    using _ = netlink;
    const address = "10.1.0.1/24";
    netlink.addAddress({ ifindex, address });
    expect(thrownBy(() => netlink.addAddress({ ifindex, address }))).toMatch(
      /^Cannot add address 10.1.0.1\/24 to device \d+: EEXIST \(/,
    );
    netlink.addAddress({ ifindex, address, replace: true });
    netlink.deleteAddress({ ifindex, address });
    expect(netlink.addresses({ ifindex, family: 4 })).toEqual([]);
    expect(thrownBy(() => netlink.deleteAddress({ ifindex, address }))).toContain("EADDRNOTAVAIL");
  });

  test("that are none are refused by name", () => {
    using ns = new TestNamespace();
    const { netlink, ifindex } = setUp(ns);
    using _ = netlink;
    expect(thrownBy(() => netlink.addAddress({ ifindex, address: "10.1.0/24" }))).toBe(
      'Cannot use "10.1.0/24": it is not an IPv4 or IPv6 prefix',
    );
  });
});
