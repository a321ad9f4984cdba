// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { Netlink, type WatchEvent } from "../../sdk/netlink/index.ts";
import { settle, TestNamespace } from "./netlink_support.ts";

function summary(event: WatchEvent): string {
  switch (event.kind) {
    case "link":
      return `${event.change} link ${event.link.name} ${event.link.up ? "up" : "down"}`;
    case "address":
      return `${event.change} address ${event.address.address}/${event.address.prefixLength}`;
    case "route":
      return `${event.change} route ${event.route.destination} table ${event.route.table}`;
    case "neighbour":
      return `${event.change} neighbour ${event.neighbour.address} ${event.neighbour.state}`;
    default:
      return event.kind;
  }
}

describe("a watch", () => {
  test("tells of changes to links, addresses, routes and neighbours of its namespace, whoever makes them", async () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    const seen: string[] = [];
    using _ = netlink.watch(["link", "address", "route", "neighbour"], (event) => seen.push(summary(event)));
    ns.run("ip", "link", "add", "d0", "type", "bridge");
    ns.run("ip", "link", "set", "d0", "up");
    ns.run("ip", "addr", "add", "10.1.0.1/24", "dev", "d0");
    ns.run("ip", "-6", "addr", "add", "fd00:1::1/64", "dev", "d0", "nodad");
    ns.run("ip", "route", "add", "10.2.0.0/16", "via", "10.1.0.2");
    ns.run("ip", "-6", "route", "add", "fd00:2::/64", "via", "fd00:1::2");
    ns.run("ip", "neigh", "add", "10.1.0.2", "lladdr", "02:00:00:00:00:02", "dev", "d0");
    ns.run("ip", "neigh", "del", "10.1.0.2", "dev", "d0");
    ns.run("ip", "route", "del", "10.2.0.0/16");
    ns.run("ip", "link", "del", "d0");
    await settle(() => seen.includes("delete link d0 down"));
    for (const event of [
      "new link d0 down",
      "new link d0 up",
      "new address 10.1.0.1/24",
      "new route 10.1.0.0/24 table 254",
      "new route 10.1.0.1/32 table 255",
      "new address fd00:1::1/64",
      "new route 10.2.0.0/16 table 254",
      "new route fd00:2::/64 table 254",
      "new neighbour 10.1.0.2 permanent",
      "delete route 10.2.0.0/16 table 254",
      "delete address 10.1.0.1/24",
    ]) {
      expect(seen).toContain(event);
    }
    expect(seen.indexOf("new link d0 up")).toBeLessThan(seen.indexOf("new address 10.1.0.1/24"));
  });

  test("hears only the tables that it asked for", async () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    const kinds = new Set<string>();
    using _ = netlink.watch(["address"], ({ kind }) => kinds.add(kind));
    const { index: ifindex } = netlink.addLink({ kind: "bridge", name: "d0", up: true });
    netlink.addAddress({ ifindex, address: "10.1.0.1/24" });
    await settle(() => kinds.size > 0);
    expect([...kinds]).toEqual(["address"]);
  });

  test("does not take a port that leaves its bridge for a link that is gone", async () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    const seen: string[] = [];
    netlink.addLink({ kind: "veth", name: "v0", peer: { name: "v1" } });
    const { index } = netlink.addLink({ kind: "bridge", name: "br0" });
    using _ = netlink.watch(["link"], (event) => seen.push(summary(event)));
    netlink.setLink("v0", { master: index });
    netlink.setLink("v0", { master: null });
    netlink.deleteLink("br0");
    await settle(() => seen.includes("delete link br0 down"));
    expect(seen).not.toContain("delete link v0 down");
  });

  test("hears nothing after it is disposed, and closes its descriptors", async () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    const count = () => Array.from(new Bun.Glob("*").scanSync({ cwd: "/proc/self/fd", onlyFiles: false })).length;
    const before = count();
    let events = 0;
    for (let i = 0; i < 10; i++) {
      const watch = netlink.watch(["link"], () => events++);
      watch[Symbol.dispose]();
      watch[Symbol.dispose]();
    }
    netlink.addLink({ kind: "bridge", name: "d0" });
    await settle(() => count() <= before);
    expect(events).toBe(0);
  });

  test("asks to resynchronise when events were lost, and goes on", async () => {
    using ns = new TestNamespace();
    using netlink = Netlink.open({ netns: ns.name });
    const { index: ifindex } = netlink.addLink({ kind: "bridge", name: "d0", up: true });
    const events: WatchEvent[] = [];
    using _ = netlink.watch(["route"], (event) => events.push(event), { bufferBytes: 4096 });
    await Bun.sleep(20);
    // The event loop does not run meanwhile, so the socket's buffer overflows.
    for (let i = 0; i < 200; i++) netlink.addRoute({ destination: `10.3.${i}.0/24`, ifindex });
    await settle(() => events.some(({ kind }) => kind === "resynchronise"));
    await Bun.sleep(50);
    expect(events.filter(({ kind }) => kind === "resynchronise")).toHaveLength(1);
    const after = events.findIndex(({ kind }) => kind === "resynchronise");
    expect(events.slice(after + 1)).toEqual([]);

    netlink.addRoute({ destination: "10.4.0.0/24", ifindex });
    await settle(() => events.length > after + 1);
    const last = events.at(-1);
    expect(last?.kind === "route" && last.route.destination).toBe("10.4.0.0/24");
  });

  test("stays in its namespace when that is given by the thread", async () => {
    using ns = new TestNamespace();
    const { withNetns } = await import("../../sdk/runtime/netns.ts");
    using netlink = withNetns(`/run/netns/${ns.name}`, () => Netlink.open());
    const seen: string[] = [];
    using _ = netlink.watch(["link"], (event) => seen.push(summary(event)));
    ns.run("ip", "link", "add", "d0", "type", "bridge");
    await settle(() => seen.includes("new link d0 down"));
  });
});
