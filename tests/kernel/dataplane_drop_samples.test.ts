// SPDX-License-Identifier: Apache-2.0
/** Drop events of a running data plane: from both hooks and from the slow path, as many as the state says. */
import { describe, expect, test } from "bun:test";
import type { DataPlane, DataPlaneEvent, DropSample } from "../../sdk/index.ts";
import { pods, waitFor } from "../../sdk/lab/index.ts";
import { DataPlaneNode } from "./dataplane_node.ts";

const ETHERTYPE = 12;
const ICMP_TYPE = 34;
const deny = {
  name: "web",
  default: { ingress: "deny", egress: "allow" },
  rules: [{ name: "no-ping", action: "deny", direction: "ingress", proto: "icmp" }],
};

/** Collects drop events until it is disposed. */
class DropReader implements AsyncDisposable {
  readonly drops: DropSample[] = [];
  lost = 0;
  readonly #abort = new AbortController();
  readonly #reading: Promise<void>;

  constructor(dp: DataPlane) {
    this.#reading = this.#read(dp.events(["drop"], { signal: this.#abort.signal }));
  }

  async #read(events: AsyncIterable<DataPlaneEvent>): Promise<void> {
    for await (const event of events) {
      if (event.kind === "drop") this.drops.push(event);
      else if (event.kind === "lost") this.lost += event.count;
    }
  }

  of(reason: string): DropSample[] {
    return this.drops.filter((drop) => drop.reason === reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.#reading;
  }
}

const ping = (node: DataPlaneNode, to: string, count: number) =>
  node.lab.ping("a", to, { count, intervalMs: 10, timeoutMs: 100 });

describe.each(["tc", "xdp"] as const)("drop events on the %s hook", (hook) => {
  test("show the first packet that the slow path denies and those that the flow entry drops, with policy and rule", async () => {
    await using node = await DataPlaneNode.start({ name: `samples-${hook}`, hook });
    await node.dp.apply(node.document({ b: { policies: ["web"] } }, { policies: [deny] }));
    await using reader = new DropReader(node.dp);
    await ping(node, pods.b.ipv4, 4);
    await waitFor(() => reader.of("policy-deny").length === 4);
    const drops = reader.of("policy-deny");
    expect(drops.map((drop) => drop.hook)).toEqual(["slow-path", hook, hook, hook]);
    for (const drop of drops) {
      expect(drop).toMatchObject({ interface: "va", policy: "web", rule: "no-ping", length: 98 });
      expect(drop.flow).toMatchObject({ vrf: "red", proto: "icmp", src: pods.a.ipv4, dst: pods.b.ipv4 });
      expect(drop.head).toHaveLength(98);
      expect([drop.head[ETHERTYPE], drop.head[ETHERTYPE + 1], drop.head[ICMP_TYPE]]).toEqual([0x08, 0x00, 8]);
      expect(Math.abs(Date.now() - Date.parse(drop.time))).toBeLessThan(30_000);
    }
    const sequences = drops.map(({ head }) => ((head[40] ?? 0) << 8) | (head[41] ?? 0));
    expect(sequences).toEqual([1, 2, 3, 4]);
  });

  test("follow the state's limit while they are read, and nothing is sampled when nobody reads", async () => {
    await using node = await DataPlaneNode.start({ name: `limit-${hook}`, hook });
    const discard = { routes: [{ vrf: "red", prefix: "198.51.100.0/24", via: "discard" }] };
    const limited = (dropSamplesPerSecond: number) => node.document({}, { ...discard, node: { dropSamplesPerSecond } });
    await node.dp.apply(limited(0));
    {
      await using reader = new DropReader(node.dp);
      await ping(node, "198.51.100.1", 3);
      expect(node.drops("va")["discard"]).toBe(3);
      await node.dp.apply(limited(10_000));
      await ping(node, "198.51.100.1", 5);
      await waitFor(() => reader.of("discard").length === 5);
      expect(reader.lost).toBe(0);
    }
    const before = node.dp.usage().dropSamples;
    await ping(node, "198.51.100.1", 3);
    expect(node.dp.usage().dropSamples).toEqual(before);
    expect(node.drops("va")["discard"]).toBe(11);
    await using again = new DropReader(node.dp);
    await ping(node, "198.51.100.1", 2);
    await waitFor(() => again.drops.length === 2);
  });
});

test("a reader that does not keep up is told how many drops it missed", async () => {
  await using node = await DataPlaneNode.start({ name: "slow-reader" });
  // Not among the drops: the pods' reports of groups, which come when they like.
  node.dp.onPacket("igmp", () => {});
  const routes = [{ vrf: "red", prefix: "198.51.100.0/24", via: "discard" }];
  await node.dp.apply(node.document({}, { routes, node: { dropSamplesPerSecond: 10_000 } }));
  const events = node.dp.events(["drop"], { buffer: 4 });
  await ping(node, "198.51.100.1", 12);
  await waitFor(() => node.dp.usage().dropSamples.sampled >= 12);
  await Bun.sleep(50);
  const seen: string[] = [];
  let lost = 0;
  for await (const event of events) {
    if (event.kind === "lost") {
      lost = event.count;
      break;
    }
    seen.push(event.kind);
  }
  expect(seen).toEqual(["drop", "drop", "drop", "drop"]);
  expect(seen.length + lost).toBe(node.dp.usage().dropSamples.sampled);
});

test("readers of a closed data plane end, and later ones at once", async () => {
  await using node = await DataPlaneNode.start({ name: "closing" });
  await node.dp.apply(node.document());
  const { dp } = node;
  const reading = (async () => {
    for await (const _ of dp.events(["drop"])) void _;
  })();
  await Bun.sleep(10);
  await node.close();
  await reading;
  for await (const _ of dp.events(["drop", "link"])) throw new Error("an event of a closed data plane");
});
