// SPDX-License-Identifier: Apache-2.0
// Runs alone: buffers overrun by rate.
import { expect, test } from "bun:test";
import { Netlink, type RouteSpec } from "../../sdk/netlink/index.ts";
import { RouteFollower, way } from "./netlink_follower.ts";
import { settle, TestNamespace } from "./netlink_support.ts";

const TABLE = 100;
const CHANGES = 100_000;
/** Destinations that change again and again. */
const DESTINATIONS = 4096;
/** Changes in one turn of the event loop: far more events than the watch's buffer holds. */
const BURST = 5000;

/** Numbers that look like chance and are the same each time. */
function* numbers(seed: number): Generator<number> {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state >>> 8;
  }
}

const destination = (i: number): string =>
  i % 2 === 0 ? `10.${100 + (i >> 8)}.${i & 255}.0/24` : `fd00:5:${i.toString(16)}::/64`;

function spec(i: number, choice: number): RouteSpec {
  const [net, host] = [choice % 2 === 0 ? 1 : 2, 2 + (choice % 200)];
  const v6 = i % 2 === 1;
  const gateway = (n: number, h: number) => (v6 ? `fd00:${n}::${h.toString(16)}` : `10.${n}.0.${h}`);
  const common = { destination: destination(i), table: TABLE };
  if (choice % 7 === 0)
    return { ...common, nextHops: [{ gateway: gateway(1, host), weight: 3 }, { gateway: gateway(2, host) }] };
  if (choice % 11 === 0) return { ...common, type: "blackhole" };
  return { ...common, gateway: gateway(net, host) };
}

test("a follower has the kernel's state after a storm of 100 000 changes and forced overruns", async () => {
  using ns = new TestNamespace();
  using netlink = Netlink.open({ netns: ns.name });
  netlink.addLink({ kind: "veth", name: "v0", up: true, peer: { name: "v1", up: true } });
  for (const [name, net] of [
    ["v0", 1],
    ["v1", 2],
  ] as const) {
    const ifindex = netlink.link(name)?.index ?? 0;
    netlink.addAddress({ ifindex, address: `10.${net}.0.1/24` });
    netlink.addAddress({ ifindex, address: `fd00:${net}::1/64`, noDad: true });
  }
  using follower = new RouteFollower(netlink, TABLE, { bufferBytes: 256 * 1024 });
  const there = new Set<number>();
  const random = numbers(7);
  const next = () => random.next().value as number;
  for (let change = 0; change < CHANGES; change++) {
    const i = next() % DESTINATIONS;
    if (there.has(i) && next() % 3 === 0) {
      netlink.deleteRoute({ destination: destination(i), table: TABLE });
      there.delete(i);
    } else {
      netlink.addRoute(spec(i, next()), "replace");
      there.add(i);
    }
    // Most bursts overrun the buffer; after a short one the events come one by one.
    if (change % BURST === BURST - 1 || change % (BURST * 4) < 200) await Bun.sleep(0);
  }
  const kernel = new Map(netlink.routes({ table: TABLE }).map((route) => [route.destination, way(route)]));
  expect(kernel.size).toBe(there.size);
  const inOrder = (routes: ReadonlyMap<string, string>) => [...routes].sort(([a], [b]) => (a < b ? -1 : 1));
  await settle(() => Bun.deepEquals(inOrder(follower.routes), inOrder(kernel)), 10_000).catch(() => {});
  expect(inOrder(follower.routes)).toEqual(inOrder(kernel));
  expect(follower.resynchronised).toBeGreaterThan(5);
  expect(follower.events).toBeGreaterThan(500);
}, 60_000);
