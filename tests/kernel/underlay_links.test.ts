// SPDX-License-Identifier: Apache-2.0
// Runs alone: changes are followed within 50 ms.
import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { nodes, ROUTER } from "../../sdk/lab/index.ts";
import { indexOf, remote4, remote6, UnderlayLab } from "./underlay_support.ts";

const { n2 } = nodes;

describe("within 50 ms the underlay follows", () => {
  test("a link that goes down and comes up", async () => {
    using u = new UnderlayLab();
    await u.trackBoth();
    const { f0 } = u;
    await u.followed(
      "link down",
      () => u.node.setLink(f0, { up: false }),
      () => u.bothLead("f1"),
    );
    // IPv6 loses the addresses of a link that goes down, and IPv4 keeps them: the multipath route revives.
    await u.followed(
      "link up",
      () => u.node.setLink(f0, { up: true }),
      () => u.devices(remote4) === "f0,f1",
    );
  });

  test("a link whose carrier goes and returns", async () => {
    using u = new UnderlayLab();
    await u.trackBoth();
    const far = indexOf(u.router, "n1f1");
    await u.followed(
      "carrier lost",
      () => u.router.setLink(far, { up: false }),
      () => u.bothLead("f0"),
    );
    await u.followed(
      "carrier back",
      () => u.router.setLink(far, { up: true }),
      () => u.devices(remote4) === "f0,f1",
    );
  });

  test("a link that is deleted, with which IPv4 gives up the route and IPv6 the way", async () => {
    using u = new UnderlayLab();
    await u.trackBoth();
    await u.followed(
      "link deleted",
      () => u.node.deleteLink("f1"),
      () => u.devices(remote4) === "" && u.devices(remote6) === "f0",
    );
    expect(() => u.node.lookupRoute(n2.underlay4)).toThrow("ENETUNREACH");
  });

  test("a neighbour that changes its MAC, fails, or is removed", async () => {
    using u = new UnderlayLab();
    await u.trackBoth();
    const { f0 } = u;
    const address = "198.18.10.1";
    const macOf = () => u.underlay.paths(remote4).find(({ ifindex }) => ifindex === f0)?.destinationMac;
    await u.followed(
      "neighbour changed",
      () => u.node.setNeighbour({ ifindex: f0, address, mac: "02:00:00:00:00:99" }),
      () => macOf() === "02:00:00:00:00:99",
    );
    await u.followed(
      "neighbour failed",
      () => u.node.setNeighbour({ ifindex: f0, address, state: "failed" }),
      () => macOf() === undefined,
    );
    await u.until(() => macOf() === "02:00:00:01:f0:01");
    u.node.setNeighbour({ ifindex: f0, address, mac: "02:00:00:00:00:98" });
    await u.until(() => macOf() === "02:00:00:00:00:98");
    // It is asked for at once, and answers.
    await u.followed(
      "neighbour removed",
      () => u.node.deleteNeighbour({ ifindex: f0, address }),
      () => macOf() === "02:00:00:01:f0:01",
    );
  });

  test("a neighbour that tells its new MAC by a gratuitous ARP", async () => {
    using u = new UnderlayLab();
    await u.trackBoth();
    // The router tells of its new MAC by itself.
    u.lab.run(ROUTER, () => writeFileSync("/proc/sys/net/ipv4/conf/n1f0/arp_notify", "1"));
    // The kernel takes no second word for a second (locktime).
    await Bun.sleep(1100);
    await u.followed(
      "gratuitous ARP",
      () => u.router.setLink("n1f0", { mac: "02:00:00:01:f0:77" }),
      () => u.underlay.paths(remote4)[0]?.destinationMac === "02:00:00:01:f0:77",
    );
  });
});
