// SPDX-License-Identifier: Apache-2.0
// Runs alone: how long neighbours take is measured.
import { describe, expect, test } from "bun:test";
import { releaseNeighbours, type UnderlayPath } from "../../sdk/dataplane/underlay/index.ts";
import { nodes } from "../../sdk/lab/index.ts";
import { indexOf, remote4, remote6, UnderlayLab } from "./underlay_support.ts";

const { n1, n2 } = nodes;

describe("the underlay", () => {
  test("finds all paths of a multipath route, and asks for the neighbours", async () => {
    using u = new UnderlayLab();
    await u.trackBoth();
    const expected = (sourceAddress: string, gateways: readonly string[]): UnderlayPath[] =>
      gateways.map((gateway, number) => ({
        ifindex: indexOf(u.node, `f${number}`),
        gateway,
        destinationMac: `02:00:00:01:f${number}:01`,
        sourceMac: `02:00:00:00:f${number}:01`,
        sourceAddress,
        mtu: 1600,
        weight: 1,
      }));
    expect(u.underlay.paths(remote4)).toEqual(expected(n1.underlay4, ["198.18.10.1", "198.18.11.1"]));
    expect(u.underlay.paths(remote6)).toEqual(expected(n1.underlay6, ["2001:db8:1::1", "2001:db8:1:1::1"]));
  });

  test("agrees with what the kernel's own packets take, also where the route names no source", async () => {
    using u = new UnderlayLab();
    u.node.addRoute({ destination: "203.0.113.0/24", gateway: "198.18.11.1" });
    u.node.addRoute({ destination: "2001:db8:99::/64", gateway: "2001:db8:1:1::1", mtu: 1400 });
    for (const [remote, source, mtu] of [
      ["203.0.113.9", "198.18.11.2", 1600],
      ["2001:db8:99::9", "2001:db8:1:1::2", 1400],
    ] as const) {
      u.underlay.track({ remote });
      await u.until(() => u.underlay.paths({ remote }).length === 1);
      expect(u.underlay.paths({ remote })).toMatchObject([{ sourceAddress: source, mtu, ifindex: u.f1 }]);
    }
  });

  test("has no path to its own addresses, into a blackhole, or where no route leads", () => {
    using u = new UnderlayLab();
    u.node.addRoute({ destination: "203.0.113.0/24", type: "blackhole" });
    for (const remote of [n1.underlay4, n1.underlay6, "203.0.113.1", "198.51.100.1", "2001:db8:77::1"]) {
      expect(u.underlay.track({ remote })).toEqual([]);
    }
  });

  test("resolves a gateway on a named link, and looks up by source where a rule says so", async () => {
    using u = new UnderlayLab();
    const gateway = { remote: "198.18.11.1", ifindex: u.f1 };
    u.underlay.track(gateway);
    await u.until(() => u.underlay.paths(gateway).length === 1);
    expect(u.underlay.paths(gateway)).toMatchObject([
      { destinationMac: "02:00:00:01:f1:01", sourceAddress: "198.18.11.2" },
    ]);

    const bySource = { remote: n2.underlay4, source: "198.18.10.2" };
    u.underlay.track(bySource);
    await u.until(() => u.devices(bySource) === "f0,f1");
    u.node.addRoute({ destination: `${n2.underlay4}/32`, gateway: "198.18.10.1", table: 100 });
    await u.followed(
      "rule",
      () => u.ip("rule", "add", "from", bySource.source, "table", "100"),
      () => u.devices(bySource) === "f0",
    );
    expect(u.underlay.paths(bySource)[0]?.sourceAddress).toBe(bySource.source);
  });
});

describe("neighbours in use", () => {
  test("are kept fresh by the kernel, and left to it when they are not needed or released", async () => {
    using u = new UnderlayLab();
    await u.trackBoth();
    const { f0 } = u;
    const managed = (address: string) => u.node.neighbour(f0, address)?.managed;
    await u.until(() => managed("198.18.10.1") === true && managed("2001:db8:1::1") === true);
    u.underlay.untrack(remote4);
    expect(managed("198.18.10.1")).toBe(false);
    expect(managed("2001:db8:1::1")).toBe(true);
    u.underlay[Symbol.dispose]();
    expect(managed("2001:db8:1::1")).toBe(true);
    releaseNeighbours(u.node);
    expect(managed("2001:db8:1::1")).toBe(false);
  });

  test("that were entered by hand are used as they are", async () => {
    using u = new UnderlayLab();
    const { f0 } = u;
    const entry = { ifindex: f0, address: "198.18.10.1", mac: "02:00:00:00:00:42" };
    u.node.setNeighbour(entry);
    const paths = u.underlay.track(remote4);
    expect(paths[0]?.destinationMac).toBe(entry.mac);
    await Bun.sleep(50);
    expect(u.node.neighbour(f0, entry.address)).toMatchObject({ mac: entry.mac, state: "permanent", managed: false });
  });

  test("that do not answer are asked again until they do", async () => {
    using u = new UnderlayLab();
    const remote = "198.18.10.77";
    u.underlay.track({ remote });
    await Bun.sleep(100);
    expect(u.underlay.paths({ remote })).toEqual([]);
    u.router.addAddress({ ifindex: indexOf(u.router, "n1f0"), address: `${remote}/24` });
    await u.until(() => u.underlay.paths({ remote }).length === 1, 6000);
  }, 10_000);
});
