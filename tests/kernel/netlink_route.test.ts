// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { Netlink, type RouteInfo } from "../../sdk/netlink/index.ts";
import { expectAgreement } from "./netlink_oracle.ts";
import { TestNamespace, thrownBy } from "./netlink_support.ts";

function setUp(ns: TestNamespace): { netlink: Netlink; v0: number; v1: number } {
  const netlink = Netlink.open({ netns: ns.name });
  netlink.addLink({ kind: "veth", name: "v0", up: true, peer: { name: "v1", up: true } });
  const v0 = netlink.link("v0")?.index ?? 0;
  const v1 = netlink.link("v1")?.index ?? 0;
  netlink.addAddress({ ifindex: v0, address: "10.1.0.1/24" });
  netlink.addAddress({ ifindex: v1, address: "10.2.0.1/24" });
  netlink.addAddress({ ifindex: v0, address: "fd00:1::1/64", noDad: true });
  netlink.addAddress({ ifindex: v1, address: "fd00:2::1/64", noDad: true });
  return { netlink, v0, v1 };
}

describe("routes", () => {
  test("of all kinds, tables and families are listed as ip(8) lists them", () => {
    using ns = new TestNamespace();
    const { netlink, v0, v1 } = setUp(ns);
    using _ = netlink;
    netlink.addRoute({ destination: "10.3.0.0/16", gateway: "10.1.0.2" });
    netlink.addRoute({ destination: "10.3.0.0/16", gateway: "10.2.0.2", priority: 50, protocol: 3, mtu: 1300 });
    netlink.addRoute({ destination: "10.4.0.1/32", ifindex: v0 });
    netlink.addRoute({ destination: "10.5.0.0/16", gateway: "192.0.2.1", ifindex: v0, onlink: true });
    netlink.addRoute({ destination: "10.6.0.0/16", type: "blackhole" });
    netlink.addRoute({ destination: "10.7.0.0/16", ifindex: v0, gateway: "fd00:1::2" });
    netlink.addRoute({ destination: "0.0.0.0/0", gateway: "10.1.0.2", preferredSource: "10.2.0.1" });
    netlink.addRoute({ destination: "10.8.0.0/16", gateway: "10.1.0.2", table: 100 });
    netlink.addRoute({ destination: "10.9.0.0/16", gateway: "10.1.0.2", table: 100000 });
    netlink.addRoute({
      destination: "10.10.0.0/16",
      nextHops: [
        { gateway: "10.1.0.2", weight: 3 },
        { gateway: "10.2.0.2", ifindex: v1 },
      ],
    });
    netlink.addRoute({ destination: "fd00:3::/64", gateway: "fd00:1::2" });
    netlink.addRoute({ destination: "::/0", gateway: "fe80::1", ifindex: v0 });
    netlink.addRoute({ destination: "fd00:4::/64", ifindex: v1, priority: 7 });
    netlink.addRoute({ destination: "fd00:5::/64", type: "unreachable", ifindex: 1 });
    netlink.addRoute({
      destination: "fd00:6::/64",
      nextHops: [
        { gateway: "fd00:1::2", weight: 1 },
        { gateway: "fd00:2::2", weight: 5 },
      ],
      table: 100,
    });
    netlink.addRoute({ destination: "10.11.0.0/16", gateway: "10.1.0.2", typeOfService: 0x10 });
    netlink.addRoute({ destination: "10.12.0.0/16", gateway: "10.1.0.2", mtu: 1300, metrics: { advertisedMss: 1200 } });
    netlink.addRoute({ destination: "fd00:7::/64", source: "fd00:8::/48", ifindex: v1 });
    expect(expectAgreement(ns, netlink, "routes")).toBeGreaterThan(25);
  });

  test("are filtered by table, protocol, type, link and family", () => {
    using ns = new TestNamespace();
    const { netlink, v0, v1 } = setUp(ns);
    using _ = netlink;
    netlink.addRoute({ destination: "10.8.0.0/16", gateway: "10.1.0.2", table: 100 });
    netlink.addRoute({ destination: "10.9.0.0/16", type: "blackhole", protocol: 186 });
    netlink.addRoute({ destination: "10.10.0.0/16", nextHops: [{ gateway: "10.1.0.2" }, { gateway: "10.2.0.2" }] });
    const destinations = (routes: RouteInfo[]) => routes.map(({ destination }) => destination);
    expect(destinations(netlink.routes({ table: 100 }))).toEqual(["10.8.0.0/16"]);
    expect(destinations(netlink.routes({ table: 101 }))).toEqual([]);
    expect(destinations(netlink.routes({ protocol: 186 }))).toEqual(["10.9.0.0/16"]);
    expect(destinations(netlink.routes({ type: "blackhole" }))).toEqual(["10.9.0.0/16"]);
    expect(destinations(netlink.routes({ ifindex: v1, table: 254, family: 4 }))).toEqual([
      "10.2.0.0/24",
      "10.10.0.0/16",
    ]);
    expect(netlink.routes({ ifindex: v0, family: 6 }).every(({ family }) => family === 6)).toBe(true);
  });

  test("are looked up as the kernel would", () => {
    using ns = new TestNamespace();
    const { netlink, v0, v1 } = setUp(ns);
    using _ = netlink;
    netlink.addRoute({ destination: "10.3.0.0/16", gateway: "10.1.0.2" });
    expect(netlink.lookupRoute("10.3.4.5")).toMatchObject({
      destination: "10.3.4.5/32",
      preferredSource: "10.1.0.1",
      nextHops: [{ ifindex: v0, gateway: "10.1.0.2" }],
    });
    expect(netlink.lookupRoute("10.3.4.5", { entry: true }).destination).toBe("10.3.0.0/16");
    expect(netlink.lookupRoute("fd00:2::9").nextHops[0]).toMatchObject({ ifindex: v1, gateway: undefined });
    expect(netlink.lookupRoute("10.1.0.1").type).toBe("local");
    expect(thrownBy(() => netlink.lookupRoute("203.0.113.1"))).toBe(
      "Cannot look up the route to 203.0.113.1: ENETUNREACH (network is unreachable)",
    );
  });

  test("are looked up as for a packet with a mark, and for one that comes in to be forwarded", () => {
    using ns = new TestNamespace();
    const { netlink, v0, v1 } = setUp(ns);
    using _ = netlink;
    netlink.addRoute({ destination: "10.8.0.0/16", gateway: "10.1.0.2", table: 100 });
    netlink.addRoute({ destination: "10.8.0.0/16", gateway: "10.2.0.2", table: 101 });
    netlink.addRule({ family: 4, mark: { value: 7 }, table: 100 });
    netlink.addRule({ family: 4, inputDevice: "v0", table: 101 });
    expect(netlink.lookupRoute("10.8.0.1", { mark: 7 }).nextHops[0]?.gateway).toBe("10.1.0.2");
    expect(thrownBy(() => netlink.lookupRoute("10.8.0.1"))).toContain("ENETUNREACH");
    ns.run("sysctl", "-qw", "net.ipv4.ip_forward=1");
    const forwarded = netlink.lookupRoute("10.8.0.1", { source: "10.1.0.77", inputIfindex: v0 });
    expect(forwarded.nextHops[0]).toMatchObject({ gateway: "10.2.0.2", ifindex: v1 });
  });

  test("are created once, replaced, appended and deleted", () => {
    using ns = new TestNamespace();
    const { netlink } = setUp(ns);
    using _ = netlink;
    const destination = "10.3.0.0/16";
    const gateways = () =>
      netlink.routes({ family: 4, protocol: 4 }).flatMap((route) => route.nextHops.map(({ gateway }) => gateway));
    netlink.addRoute({ destination, gateway: "10.1.0.2" });
    expect(thrownBy(() => netlink.addRoute({ destination, gateway: "10.2.0.2" }))).toBe(
      "Cannot add route 10.3.0.0/16: EEXIST (it exists)",
    );
    netlink.addRoute({ destination, gateway: "10.2.0.2" }, "replace");
    expect(gateways()).toEqual(["10.2.0.2"]);
    netlink.addRoute({ destination, gateway: "10.1.0.3" }, "append");
    expect(gateways()).toEqual(["10.2.0.2", "10.1.0.3"]);
    netlink.deleteRoute({ destination, gateway: "10.1.0.3" });
    expect(gateways()).toEqual(["10.2.0.2"]);
    netlink.deleteRoute({ destination });
    expect(gateways()).toEqual([]);
    expect(thrownBy(() => netlink.deleteRoute({ destination }))).toContain("ESRCH");
  });

  test("are refused with the kernel's explanation", () => {
    using ns = new TestNamespace();
    const { netlink, v0 } = setUp(ns);
    using _ = netlink;
    expect(thrownBy(() => netlink.addRoute({ destination: "10.3.0.1/16", ifindex: v0 }))).toBe(
      "Cannot add route 10.3.0.1/16: EINVAL (Invalid prefix for given prefix length)",
    );
    expect(thrownBy(() => netlink.addRoute({ destination: "10.3.0.0/16", gateway: "198.51.100.1" }))).toBe(
      "Cannot add route 10.3.0.0/16: ENETUNREACH (Nexthop has invalid gateway)",
    );
  });

  test("of a large table are listed whole", () => {
    using ns = new TestNamespace();
    const { netlink, v0 } = setUp(ns);
    using _ = netlink;
    const lines = Array.from({ length: 20000 }, (_, i) => `route add 20.${i >> 8}.${i & 255}.0/24 dev v0 table 7`);
    const result = Bun.spawnSync(["nsenter", `--net=/run/netns/${ns.name}`, "ip", "-batch", "-"], {
      stdin: new TextEncoder().encode(lines.join("\n")),
    });
    expect(result.success).toBe(true);
    const routes = netlink.routes({ table: 7 });
    expect(new Set(routes.map(({ destination }) => destination)).size).toBe(20000);
    expect(routes.every((route) => route.nextHops[0]?.ifindex === v0)).toBe(true);
  });
});
