// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { pods } from "../../sdk/lab/index.ts";
import { DataPlaneNode } from "./dataplane_node.ts";

for (const hook of ["tc", "xdp"] as const) {
  describe(`pods on the ${hook} hook`, () => {
    test("reach each other over IPv4 and IPv6", async () => {
      await using node = await DataPlaneNode.start({ name: `ping-${hook}`, hook });
      await node.dp.apply(node.document());
      for (const address of [pods.b.ipv4, pods.b.ipv6, pods.c.ipv4]) {
        expect([address, await node.received("a", address)]).toEqual([address, 3]);
      }
      const status = node.dp.tables.interfaces.get("va")?.status;
      expect(status).toMatchObject({ state: "up", hook, mac: pods.a.mac, device: "va" });
      expect(status?.["counters"]).toMatchObject({ localPackets: 0 });
    });

    test("whose MACs are not told are asked for them, and their answers are no drops", async () => {
      for (const address of [pods.b.ipv4, pods.b.ipv6]) {
        await using node = await DataPlaneNode.start({ name: `learn-${hook}`, hook });
        // Their reports of groups, which come when they like, are no answers.
        node.dp.onPacket("igmp", () => {});
        await node.dp.apply(node.document({ b: { mac: undefined } }));
        expect(await node.received("a", address)).toBe(3);
        expect(node.dp.tables.interfaces.get("vb")?.status).toMatchObject({ mac: pods.b.mac });
        expect(node.dp.drops("reason").map(({ reason }) => reason)).not.toContain("unhandled-trap");
      }
    });

    test("find their gateway, and get an answer when there is no route", async () => {
      await using node = await DataPlaneNode.start({ name: `gateway-${hook}`, hook });
      await node.dp.apply(node.document());
      expect(await node.received("a", "169.254.1.1")).toBe(3);
      const unreachable = await node.lab.exec("a", ["ping", "-c", "1", "-W", "1", "203.0.113.1"]);
      expect(unreachable.stdout).toContain("Destination Net Unreachable");
      expect(node.drops("va")).toMatchObject({ "no-route": 1 });
    });

    test("carry large TCP transfers without a changed byte", async () => {
      await using node = await DataPlaneNode.start({ name: `tcp-${hook}`, hook });
      await node.dp.apply(node.document());
      const script = "head -c 20000000 /dev/urandom > /dev/shm/$0; sha256sum < /dev/shm/$0";
      const file = node.instance;
      const sum = (await node.lab.exec("b", ["sh", "-c", script, file])).stdout;
      try {
        await using server = node.lab.spawn("b", [
          "python3",
          "-m",
          "http.server",
          "80",
          "-d",
          "/dev/shm",
          "-b",
          pods.b.ipv4,
        ]);
        const url = `http://${pods.b.ipv4}/${file}`;
        const get = await node.lab.exec("a", [
          "sh",
          "-c",
          `curl -sf --retry 20 --retry-connrefused --retry-delay 0 ${url} | sha256sum`,
        ]);
        expect(get.stdout).toBe(sum);
        expect(server.running).toBe(true);
      } finally {
        await node.lab.exec("b", ["rm", "-f", `/dev/shm/${file}`]);
      }
    });
  });
}

test("routes lead to an interface, away, and into the host by their next hop", async () => {
  await using node = await DataPlaneNode.start({ name: "routes" });
  const route = (prefix: string, via: string) => ({ vrf: "red", prefix, via });
  await node.dp.apply(
    node.document(
      // What it answers for a network behind it is not sent from its own address.
      { b: { sourceCheck: false } },
      {
        routes: [route("198.51.100.0/24", "vb"), route("198.51.100.9/32", "discard"), route("203.0.113.0/24", "gone")],
        nexthops: [{ name: "gone", type: "discard" }],
      },
    ),
  );
  await node.lab.exec("b", ["ip", "address", "add", "198.51.100.1/32", "dev", "eth0"]);
  expect(await node.received("a", "198.51.100.1")).toBe(3);
  expect(await node.received("a", "198.51.100.9", 1)).toBe(0);
  expect(await node.received("a", "203.0.113.1", 1)).toBe(0);
  expect(node.drops("va")).toMatchObject({ discard: 2 });
  await node.dp.transaction().put("nexthops", { name: "gone", type: "interface", device: "vb" }).commit();
  await node.lab.exec("b", ["ip", "address", "add", "203.0.113.1/32", "dev", "eth0"]);
  expect(await node.received("a", "203.0.113.1")).toBe(3);
});

test("a jumbo MTU takes XDP with frags", async () => {
  await using node = await DataPlaneNode.start({ name: "jumbo", hook: "xdp", mtu: 9000 });
  await node.dp.apply(node.document());
  const ping = await node.lab.ping("a", pods.b.ipv4, { count: 3, sizeBytes: 8900, dontFragment: true, intervalMs: 20 });
  expect(ping.received).toBe(3);
});
