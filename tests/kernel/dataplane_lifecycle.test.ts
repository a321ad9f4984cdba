// SPDX-License-Identifier: Apache-2.0
// Runs alone: no packet may be lost while a controller restarts.
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { destroyInstance } from "../../sdk/index.ts";
import { NODE, pods, waitFor } from "../../sdk/lab/index.ts";
import { Ethtool } from "../../sdk/netlink/index.ts";
import { DataPlaneNode } from "./dataplane_node.ts";
import { programsOn } from "./programs_on.ts";

const allowAll = { name: "all", default: "allow" };

for (const hook of ["tc", "xdp"] as const) {
  describe(`an instance on the ${hook} hook`, () => {
    test("goes on without its controller, and the next one takes over without a lost packet", async () => {
      await using node = await DataPlaneNode.start({ name: `adopt-${hook}`, hook });
      await node.dp.apply(node.document({ b: { policies: ["all"] } }, { policies: [allowAll] }));
      await using ping = node.lab.spawn("a", ["ping", "-i", "0.02", pods.b.ipv4]);
      await ping.waitForOutput(/icmp_seq=5\b/);
      await node.close();
      await ping.waitForOutput(/icmp_seq=30\b/);
      await node.open();
      expect(node.dp.tables.interfaces.get("vb")?.status).toMatchObject({ state: "up", hook });
      expect([...node.dp.flows.entries({ proto: "icmp" })].map(({ rule }) => rule)).toEqual(["default", "default"]);
      await ping.waitForOutput(/icmp_seq=80\b/);
      const { stdout } = await ping.kill("SIGINT");
      expect(stdout).toContain(" 0% packet loss");
      expect(await node.received("c", pods.b.ipv4)).toBe(3);
    });

    test("leaves nothing behind when it is destroyed", async () => {
      await using node = await DataPlaneNode.start({ name: `destroy-${hook}`, hook });
      const features = () => {
        using ethtool = Ethtool.open({ netns: node.lab.path("a") });
        return ethtool.features("eth0");
      };
      const links = () => node.lab.execSync(NODE, ["ip", "-br", "link"]).stdout.replaceAll(/\S+\s*$/gm, "");
      await node.dp.destroy();
      const before = { features: features(), links: links() };
      await node.open();
      await node.dp.apply(node.document());
      await node.dp.destroy();
      expect({ features: features(), links: links() }).toEqual(before);
      for (const device of ["va", "vb", "vc"]) expect(programsOn(node.lab, NODE, device)).toEqual([]);
      for (const path of [
        `/sys/fs/bpf/weir/${node.instance}`,
        `/var/lib/weir/${node.instance}`,
        `/run/weir/${node.instance}.lock`,
      ]) {
        expect([path, existsSync(path)]).toEqual([path, false]);
      }
      destroyInstance(node.instance, { netns: node.lab.path(NODE) });
      await node.open();
    });
  });
}

test("what one controller could not finish the next one removes", async () => {
  await using node = await DataPlaneNode.start({ name: "strays" });
  await node.dp.apply(node.document({ b: { sourceCheck: false } }));
  await node.dp
    .transaction({ owner: "bgp", durable: false })
    .put("routes", { vrf: "red", prefix: "198.51.100.0/24", via: "vb" })
    .commit();
  await node.lab.exec("b", ["ip", "address", "add", "198.51.100.1/32", "dev", "eth0"]);
  expect(await node.received("a", "198.51.100.1")).toBe(3);
  await node.close();
  expect(await node.received("a", "198.51.100.1")).toBe(3);
  await node.open();
  expect(node.dp.tables.routes.get({ vrf: "red", prefix: "198.51.100.0/24" })).toBeUndefined();
  expect(await node.received("a", "198.51.100.1", 1)).toBe(0);
  expect(await node.received("a", pods.b.ipv4)).toBe(3);
});

test("an interface moves between the hooks, to another place there, and out of the state while others go on", async () => {
  await using node = await DataPlaneNode.start({ name: "move" });
  await node.dp.apply(node.document());
  await using ping = node.lab.spawn("a", ["ping", "-i", "0.05", pods.b.ipv4]);
  await ping.waitForOutput(/icmp_seq=3\b/);
  const changes = await node.dp.apply(node.document({ c: { hook: "xdp" } }));
  expect(changes.map(({ text }) => text)).toEqual(["~ interface vc"]);
  expect(await node.received("c", pods.b.ipv4)).toBe(3);
  await node.dp.apply(node.document());
  expect(node.dp.tables.interfaces.get("vc")?.status).toMatchObject({ hook: "tc", port: "trap" });
  expect(await node.received("c", pods.b.ipv4)).toBe(3);
  const moved = await node.dp.apply(node.document({ c: { order: "tail" } }));
  expect(moved.map(({ text }) => text)).toEqual(["~ interface vc"]);
  expect(await node.received("c", pods.b.ipv4)).toBe(3);
  await node.dp.transaction().delete("interfaces", "vc").commit();
  expect(programsOn(node.lab, NODE, "vc")).toEqual([]);
  expect(await node.received("c", pods.b.ipv4, 1)).toBe(0);
  const { stdout } = await ping.kill("SIGINT");
  expect(stdout).toContain(" 0% packet loss");
});

test("an interface waits for its device, follows it when it is renamed, and notices when it goes", async () => {
  await using node = await DataPlaneNode.start({ name: "devices" });
  const late = { name: "late", role: "workload", vrf: "red", optional: true, addresses: ["10.97.0.9"] };
  await node.dp.apply(node.document({}, {}));
  await node.dp.transaction({ owner: "late" }).put("interfaces", late).commit();
  const state = (name: string) => node.dp.tables.interfaces.get(name)?.status["state"];
  expect(state("late")).toBe("waiting");
  using netlink = node.lab.netlink(NODE);
  netlink.addLink({ kind: "veth", name: "late", peer: { name: "late-peer" }, up: true });
  await waitFor(() => state("late") === "up");
  netlink.deleteLink("late");
  await waitFor(() => state("late") === "waiting");
  netlink.setLink("vb", { name: "renamed" });
  await waitFor(() => node.dp.tables.interfaces.get("vb")?.status["device"] === "renamed");
  expect(await node.received("a", pods.b.ipv4)).toBe(3);
});

test("events tell of links, and of asked flows", async () => {
  await using node = await DataPlaneNode.start({ name: "events" });
  await node.dp.apply(node.document({ b: { policies: [] } }));
  using _ = node.dp.onFlowMiss((misses) => {
    for (const miss of misses) miss.decide({ action: "forward" });
  });
  const kinds = new Set<string>();
  const abort = new AbortController();
  const reading = (async () => {
    for await (const event of node.dp.events(["link", "flow-miss"], { signal: abort.signal })) kinds.add(event.kind);
  })();
  await node.received("a", pods.b.ipv4, 1);
  using netlink = node.lab.netlink(NODE);
  netlink.addLink({ kind: "veth", name: "other", peer: { name: "other-peer" } });
  await waitFor(() => kinds.size === 2);
  abort.abort();
  await reading;
  expect([...kinds].sort()).toEqual(["flow-miss", "link"]);
});
