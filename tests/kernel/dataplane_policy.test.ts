// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import type { FlowMiss } from "../../sdk/index.ts";
import { pods, waitFor } from "../../sdk/lab/index.ts";
import { DataPlaneNode } from "./dataplane_node.ts";

const echo = {
  name: "echo",
  default: { ingress: "deny", egress: "allow" },
  rules: [
    { name: "from-a", action: "allow", direction: "ingress", proto: "icmp", types: [8], from: [{ set: "friends" }] },
    {
      name: "from-a-6",
      action: "allow",
      direction: "ingress",
      proto: "icmpv6",
      types: [128],
      from: [`${pods.a.ipv6}/128`],
    },
  ],
};
const friends = { name: "friends", prefixes: [`${pods.a.ipv4}/32`] };

for (const hook of ["tc", "xdp"] as const) {
  describe(`policy on the ${hook} hook`, () => {
    test("lets in what a rule allows, drops the rest, and tells which rule it was", async () => {
      await using node = await DataPlaneNode.start({ name: `policy-${hook}`, hook });
      await node.dp.apply(node.document({ b: { policies: ["echo"] } }, { policies: [echo], sets: [friends] }));
      expect(await node.received("a", pods.b.ipv4)).toBe(3);
      expect(await node.received("a", pods.b.ipv6)).toBe(3);
      expect(await node.received("c", pods.b.ipv4)).toBe(0);
      expect(node.drops("vc")).toMatchObject({ "policy-deny": 3 });
      const flows = [...node.dp.flows.entries({ proto: "icmp" })];
      expect(flows.find((flow) => flow.src === pods.a.ipv4)).toMatchObject({
        action: "forward",
        policy: "echo",
        rule: "from-a",
        packets: 3,
      });
      expect(flows.find((flow) => flow.src === pods.c.ipv4)).toMatchObject({
        action: "drop",
        policy: "echo",
        rule: "default",
        reason: "policy-deny",
      });
      expect(node.dp.tables.policies.get("echo")?.status).toMatchObject({ rules: { "from-a": 1, "from-a-6": 1 } });
    });

    test("that changes decides standing flows again", async () => {
      await using node = await DataPlaneNode.start({ name: `change-${hook}`, hook });
      const document = (prefixes: string[]) =>
        node.document({ b: { policies: ["echo"] } }, { policies: [echo], sets: [{ name: "friends", prefixes }] });
      await node.dp.apply(document([`${pods.a.ipv4}/32`]));
      await using ping = node.lab.spawn("a", ["ping", "-i", "0.05", pods.b.ipv4]);
      await ping.waitForOutput(/icmp_seq=5/);
      expect((await node.dp.plan(document([]))).flows).toBe(2);
      await node.dp.apply(document([]));
      await waitFor(() => (node.drops("va")["policy-deny"] ?? 0) > 5);
      await node.dp.apply(document([`${pods.a.ipv4}/32`]));
      await ping.waitForOutput(/icmp_seq=[3-9]\d/);
    });

    test("leaves flows to the controller, which decides later while packets wait", async () => {
      await using node = await DataPlaneNode.start({ name: `ask-${hook}`, hook });
      await node.dp.apply(node.document({ b: { policies: [] } }));
      const asked: FlowMiss[] = [];
      using _ = node.dp.onFlowMiss((misses) => {
        for (const miss of misses) {
          asked.push(miss);
          setTimeout(() => miss.decide({ action: miss.key.src === pods.a.ipv4 ? "forward" : "drop" }), 10);
        }
      });
      expect(await node.received("a", pods.b.ipv4)).toBe(3);
      expect(await node.received("c", pods.b.ipv4)).toBe(0);
      expect(asked.map(({ key, interface: from }) => [from, key.proto, key.src, key.dst])).toEqual([
        ["va", "icmp", pods.a.ipv4, pods.b.ipv4],
        ["vc", "icmp", pods.c.ipv4, pods.b.ipv4],
      ]);
    });
  });
}

test("without a handler an asked flow is dropped, or forwarded where the last handler said so", async () => {
  await using node = await DataPlaneNode.start({ name: "otherwise" });
  await node.dp.apply(node.document({ b: { policies: [] } }));
  expect(await node.received("a", pods.b.ipv4, 1)).toBe(0);
  using _ = node.dp.onFlowMiss(() => {}, { timeoutMs: 20, otherwise: "forward" });
  node.dp.flows.delete({ vrf: "red" });
  expect(await node.received("a", pods.b.ipv4)).toBe(3);
});

test("a controller sets, reads and deletes flows itself", async () => {
  await using node = await DataPlaneNode.start({ name: "set" });
  await node.dp.apply(node.document({ b: { policies: ["none"] } }, { policies: [{ name: "none" }] }));
  const key = { vrf: "red", proto: "udp", src: pods.a.ipv4, sport: 1000, dst: pods.b.ipv4, dport: 2000 };
  const setting = { ...key, action: "forward", interface: "va" } as const;
  expect(node.dp.flows.set([setting])).toEqual(["ok"]);
  expect(node.dp.flows.set([setting])).toEqual(["exists"]);
  const flow = node.dp.flows.get(key);
  expect(flow).toMatchObject({ ...key, action: "forward", nexthop: "vb" });
  expect(node.dp.flows.set([{ ...setting, generation: (flow?.generation ?? 0) + 1 }])).toEqual(["stale"]);
  expect(node.dp.flows.set([{ ...setting, action: "drop", generation: flow?.generation ?? 0 }])).toEqual(["ok"]);
  expect(node.dp.flows.get(key)).toMatchObject({ action: "drop" });
  expect(node.dp.flows.delete({ vrf: "red", dst: pods.b.ipv4 })).toBe(2);
  expect([...node.dp.flows.entries()]).toEqual([]);
  expect(node.dp.flows.set([{ ...setting, generation: flow?.generation ?? 0 }])).toEqual(["stale"]);
});

test("a batch of flows gets as far as the table has room, and each is told of", async () => {
  const entries = 1024;
  await using node = await DataPlaneNode.start({ name: "room", open: { limits: { flows: entries } } });
  await node.dp.apply(node.document({ b: { policies: ["none"] } }, { policies: [{ name: "none" }] }));
  const key = { vrf: "red", proto: "udp", src: pods.a.ipv4, dst: pods.b.ipv4, dport: 2000 };
  const settings = Array.from({ length: entries }, (_, i) => ({
    ...key,
    sport: 1000 + i,
    action: "forward" as const,
    interface: "va",
  }));
  const results = node.dp.flows.set(settings);
  const set = results.filter((result) => result === "ok").length;
  // Two entries each; the kernel keeps some of the room for each CPU.
  expect(set).toBeLessThanOrEqual(entries / 2);
  expect(set).toBeGreaterThan(entries / 4);
  expect(new Set(results)).toEqual(new Set(["ok", "full"]));
  expect([...node.dp.flows.entries()].length).toBe(2 * set);
  expect(node.dp.flows.delete({ sport: 1000 })).toBe(2);
  expect(node.dp.flows.set([{ ...key, sport: 9, action: "forward", interface: "va" }])).toEqual(["ok"]);
});

test("where the controller sends a flow stays when routes change, and is decided anew when that next hop changes", async () => {
  await using node = await DataPlaneNode.start({ name: "chosen" });
  const hop = (name: string, fields: object = { type: "interface", device: pods.b.device }) => ({ name, ...fields });
  const dst = "198.51.100.7";
  const route = (via: string) => ({ vrf: "red", prefix: `${dst}/32`, via });
  const nexthops = [hop("one"), hop("two"), hop("three")];
  const rest = { policies: [{ name: "none" }], nexthops, routes: [route("one")] };
  await node.dp.apply(node.document({ b: { policies: ["none"] } }, rest));
  const key = { vrf: "red", proto: "udp", src: pods.a.ipv4, sport: 1000, dst, dport: 2000 };
  const back = { ...key, src: dst, sport: 2000, dst: pods.a.ipv4, dport: 1000 };
  const generation = () => node.dp.flows.get(key)?.generation;
  node.dp.flows.set([{ ...key, action: "forward", interface: "va", nexthop: "two" }]);
  const first = generation();
  expect(node.dp.flows.get(key)).toMatchObject({ nexthop: "two" });
  await node.dp.transaction().put("routes", route("three")).commit();
  expect(node.dp.flows.get(key)).toMatchObject({ nexthop: "two", generation: first as number });
  expect(node.dp.flows.get(back)).toMatchObject({ nexthop: "va" });
  await node.dp
    .transaction()
    .put("nexthops", hop("two", { type: "discard" }))
    .commit();
  expect(generation()).toBeUndefined();
  node.dp.flows.set([{ ...key, action: "forward", interface: "va", nexthop: "one" }]);
  await node.dp.transaction().delete("nexthops", "one").commit();
  expect(generation()).toBeUndefined();
});

test("trapped packets reach the controller, and its own frames reach a pod", async () => {
  await using node = await DataPlaneNode.start({ name: "inject" });
  await node.dp.apply(node.document());
  const seen: string[] = [];
  using _ = node.dp.onPacket({ trap: "ttl-expired", interface: "va" }, ({ interface: from, trap, frame }) => {
    seen.push(`${from} ${trap} ${frame.byteLength > 14}`);
    const frameToB = frame.slice();
    node.dp.inject(frameToB, { transmit: "vb" });
  });
  await using dump = node.lab.spawn("b", ["tcpdump", "-nli", "eth0", "-c", "1", "icmp"]);
  await dump.waitForOutput(/listening/);
  await node.lab.ping("a", pods.b.ipv4, { ttl: 1, timeoutMs: 300 });
  await dump.waitForOutput(/ICMP echo request/);
  expect(seen).toEqual(["va ttl-expired true"]);
});
