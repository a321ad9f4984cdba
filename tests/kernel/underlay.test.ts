// SPDX-License-Identifier: Apache-2.0

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import {
  releaseNeighbours,
  Underlay,
  type UnderlayPath,
  type UnderlayTarget,
} from "../../sdk/dataplane/underlay/index.ts";
import { Lab, nodes, ROUTER, twoUplinksTopology } from "../../sdk/lab/index.ts";
import type { Netlink } from "../../sdk/netlink/index.ts";

/** How long a change may take, from the kernel's doing to the callback. */
const FOLLOWED_WITHIN_MS = 50;

const prefix = `wN-u${process.pid}-`;
const { n1, n2 } = nodes;
const remotes = [n2.underlay4, n2.underlay6];

let lab: Lab;
let node: Netlink;
let router: Netlink;
let underlay: Underlay;
let wake: () => void = () => {};

function indexOf(netlink: Netlink, device: string): number {
  return netlink.link(device)?.index ?? 0;
}

/** Names of the links that the paths of a target lead by. */
function devices(target: UnderlayTarget): string[] {
  return underlay.paths(target).map(({ ifindex }) => node.link(ifindex)?.name ?? "gone");
}

async function until(holds: () => boolean, timeoutMs = 3000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`did not come within ${timeoutMs} ms`);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, 50);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Time for which this thread was ready to run while other programs had the processors (proc(5), schedstat). */
function kept(): number {
  return Number(readFileSync("/proc/thread-self/schedstat", "utf8").split(" ")[1]) / 1e6;
}

/** Makes a change and waits for what follows from it; the time between is asserted. */
async function followed(what: string, change: () => void, holds: () => boolean): Promise<void> {
  expect(holds()).toBe(false);
  change();
  // Counted from the end of the system call: the kernel itself takes long to take a link down.
  const [start, keptBefore] = [performance.now(), kept()];
  await until(holds);
  const elapsedMs = performance.now() - start;
  const keptMs = kept() - keptBefore;
  console.log(`${what}: followed within ${elapsedMs.toFixed(1)} ms, of which others ran ${keptMs.toFixed(1)} ms`);
  expect(elapsedMs - keptMs).toBeLessThan(FOLLOWED_WITHIN_MS);
}

function open(o: { bufferBytes?: number } = {}): Underlay {
  return Underlay.open({ netns: lab.netns("n1"), onChange: () => wake(), ...o });
}

beforeEach(() => {
  lab = Lab.create(twoUplinksTopology(), { prefix });
  node = lab.netlink("n1");
  router = lab.netlink(ROUTER);
  underlay = open();
});

afterEach(() => {
  underlay[Symbol.dispose]();
  node.close();
  router.close();
  lab.destroy();
});

async function trackBoth(): Promise<void> {
  for (const remote of remotes) underlay.track({ remote });
  await until(() => remotes.every((remote) => underlay.paths({ remote }).length === 2));
}

const bothLead = (...names: string[]) => remotes.every((remote) => `${devices({ remote })}` === `${names}`);

describe("the underlay", () => {
  test("finds all paths of a multipath route, and asks for the neighbours", async () => {
    await trackBoth();
    const expected = (sourceAddress: string, gateways: readonly string[]): UnderlayPath[] =>
      gateways.map((gateway, number) => ({
        ifindex: indexOf(node, `f${number}`),
        gateway,
        destinationMac: `02:00:00:01:f${number}:01`,
        sourceMac: `02:00:00:00:f${number}:01`,
        sourceAddress,
        mtu: 1600,
        weight: 1,
      }));
    expect(underlay.paths({ remote: n2.underlay4 })).toEqual(expected(n1.underlay4, ["198.18.10.1", "198.18.11.1"]));
    expect(underlay.paths({ remote: n2.underlay6 })).toEqual(
      expected(n1.underlay6, ["2001:db8:1::1", "2001:db8:1:1::1"]),
    );
  });

  test("agrees with what the kernel's own packets take, also where the route names no source", async () => {
    node.addRoute({ destination: "203.0.113.0/24", gateway: "198.18.11.1" });
    node.addRoute({ destination: "2001:db8:99::/64", gateway: "2001:db8:1:1::1", mtu: 1400 });
    for (const [remote, source, mtu] of [
      ["203.0.113.9", "198.18.11.2", 1600],
      ["2001:db8:99::9", "2001:db8:1:1::2", 1400],
    ] as const) {
      underlay.track({ remote });
      await until(() => underlay.paths({ remote }).length === 1);
      expect(underlay.paths({ remote })).toMatchObject([{ sourceAddress: source, mtu, ifindex: indexOf(node, "f1") }]);
    }
  });

  test("has no path to its own addresses, into a blackhole, or where no route leads", () => {
    node.addRoute({ destination: "203.0.113.0/24", type: "blackhole" });
    for (const remote of [n1.underlay4, n1.underlay6, "203.0.113.1", "198.51.100.1", "2001:db8:77::1"]) {
      expect(underlay.track({ remote })).toEqual([]);
    }
  });

  test("resolves a gateway on a named link, and looks up by source where a rule says so", async () => {
    const gateway = { remote: "198.18.11.1", ifindex: indexOf(node, "f1") };
    underlay.track(gateway);
    await until(() => underlay.paths(gateway).length === 1);
    expect(underlay.paths(gateway)).toMatchObject([
      { destinationMac: "02:00:00:01:f1:01", sourceAddress: "198.18.11.2" },
    ]);

    const bySource = { remote: n2.underlay4, source: "198.18.10.2" };
    underlay.track(bySource);
    await until(() => `${devices(bySource)}` === "f0,f1");
    node.addRoute({ destination: `${n2.underlay4}/32`, gateway: "198.18.10.1", table: 100 });
    await followed(
      "rule",
      () => lab.execSync("n1", ["ip", "rule", "add", "from", bySource.source, "table", "100"]),
      () => `${devices(bySource)}` === "f0",
    );
    expect(underlay.paths(bySource)[0]?.sourceAddress).toBe(bySource.source);
  });
});

describe("within 50 ms the underlay follows", () => {
  test("a link that goes down and comes up", async () => {
    await trackBoth();
    const f0 = indexOf(node, "f0");
    await followed(
      "link down",
      () => node.setLink(f0, { up: false }),
      () => bothLead("f1"),
    );
    // IPv6 loses the addresses of a link that goes down, and IPv4 keeps them: the multipath route revives.
    await followed(
      "link up",
      () => node.setLink(f0, { up: true }),
      () => `${devices({ remote: n2.underlay4 })}` === "f0,f1",
    );
  });

  test("a link whose carrier goes and returns", async () => {
    await trackBoth();
    const far = indexOf(router, "n1f1");
    await followed(
      "carrier lost",
      () => router.setLink(far, { up: false }),
      () => bothLead("f0"),
    );
    await followed(
      "carrier back",
      () => router.setLink(far, { up: true }),
      () => devices({ remote: n2.underlay4 }).length === 2,
    );
  });

  test("a link that is deleted, with which IPv4 gives up the route and IPv6 the way", async () => {
    await trackBoth();
    await followed(
      "link deleted",
      () => node.deleteLink("f1"),
      () => devices({ remote: n2.underlay4 }).length === 0 && `${devices({ remote: n2.underlay6 })}` === "f0",
    );
    expect(() => node.lookupRoute(n2.underlay4)).toThrow("ENETUNREACH");
  });

  test("a neighbour that changes its MAC, fails, or is removed", async () => {
    await trackBoth();
    const f0 = indexOf(node, "f0");
    const address = "198.18.10.1";
    const macOf = () => underlay.paths({ remote: n2.underlay4 }).find(({ ifindex }) => ifindex === f0)?.destinationMac;
    await followed(
      "neighbour changed",
      () => node.setNeighbour({ ifindex: f0, address, mac: "02:00:00:00:00:99" }),
      () => macOf() === "02:00:00:00:00:99",
    );
    await followed(
      "neighbour failed",
      () => node.setNeighbour({ ifindex: f0, address, state: "failed" }),
      () => macOf() === undefined,
    );
    await until(() => macOf() === "02:00:00:01:f0:01");
    node.setNeighbour({ ifindex: f0, address, mac: "02:00:00:00:00:98" });
    await until(() => macOf() === "02:00:00:00:00:98");
    // It is asked for at once, and answers.
    await followed(
      "neighbour removed",
      () => node.deleteNeighbour({ ifindex: f0, address }),
      () => macOf() === "02:00:00:01:f0:01",
    );
  });

  test("a neighbour that tells its new MAC by a gratuitous ARP", async () => {
    await trackBoth();
    // The router tells of its new MAC by itself.
    lab.run(ROUTER, () => writeFileSync("/proc/sys/net/ipv4/conf/n1f0/arp_notify", "1"));
    // The kernel takes no second word for a second (locktime).
    await Bun.sleep(1100);
    await followed(
      "gratuitous ARP",
      () => router.setLink("n1f0", { mac: "02:00:00:01:f0:77" }),
      () => underlay.paths({ remote: n2.underlay4 })[0]?.destinationMac === "02:00:00:01:f0:77",
    );
  });

  test("a route that changes, goes, and comes, and a more specific one", async () => {
    await trackBoth();
    const [f0, f1] = ["f0", "f1"].map((device) => indexOf(node, device));
    const route = (destination: string, ifindex: number | undefined, gateway: string) => ({
      destination,
      ifindex,
      gateway,
    });
    const remote = n2.underlay4;
    await followed(
      "route replaced",
      () => node.addRoute(route(`${remote}/32`, f1, "198.18.11.1"), "replace"),
      () => `${devices({ remote })}` === "f1",
    );
    await followed(
      "route gone",
      () => node.deleteRoute({ destination: `${remote}/32` }),
      () => devices({ remote }).length === 0,
    );
    await followed(
      "default route",
      () => node.addRoute(route("0.0.0.0/0", f0, "198.18.10.1")),
      () => `${devices({ remote })}` === "f0",
    );
    await followed(
      "more specific route",
      () => node.addRoute(route("192.0.2.0/24", f1, "198.18.11.1")),
      () => `${devices({ remote })}` === "f1",
    );
    await followed(
      "IPv6 route replaced",
      () => node.addRoute(route(`${n2.underlay6}/128`, f1, "2001:db8:1:1::1"), "replace"),
      () => `${devices({ remote: n2.underlay6 })}` === "f1",
    );
  });

  test("a multipath route that loses and wins a way, by weights and by nexthop objects", async () => {
    await trackBoth();
    const remote = n2.underlay4;
    const [f0, f1] = ["f0", "f1"].map((device) => indexOf(node, device));
    const weights = () => `${underlay.paths({ remote }).map(({ weight }) => weight)}`;
    await followed(
      "weights",
      () =>
        node.addRoute(
          {
            destination: `${remote}/32`,
            nextHops: [
              { ifindex: f0, gateway: "198.18.10.1", weight: 3 },
              { ifindex: f1, gateway: "198.18.11.1", weight: 5 },
            ],
          },
          "replace",
        ),
      () => weights() === "3,5",
    );
    const ip = (...words: string[]) => expect(lab.execSync("n1", ["ip", ...words]).stderr).toBe("");
    ip("nexthop", "add", "id", "1", "via", "198.18.10.1", "dev", "f0");
    ip("nexthop", "add", "id", "2", "via", "198.18.11.1", "dev", "f1");
    ip("nexthop", "add", "id", "9", "group", "1,7/2,2");
    await followed(
      "nexthop group",
      () => ip("route", "replace", `${remote}/32`, "nhid", "9"),
      () => weights() === "7,2",
    );
    await followed(
      "group changed",
      () => ip("nexthop", "replace", "id", "9", "group", "2"),
      () => `${devices({ remote })}` === "f1",
    );
    // Events and answers then name the object only.
    lab.run("n1", () => writeFileSync("/proc/sys/net/ipv4/nexthop_compat_mode", "0"));
    await followed(
      "group changed, told by the object alone",
      () => ip("nexthop", "replace", "id", "9", "group", "1,4/2,6"),
      () => weights() === "4,6",
    );
  });

  test("the MTU and the MAC of a link, and addresses that go", async () => {
    await trackBoth();
    const f0 = indexOf(node, "f0");
    const first = () => underlay.paths({ remote: n2.underlay4 })[0];
    await followed(
      "MTU",
      () => node.setLink(f0, { mtu: 1550 }),
      () => first()?.mtu === 1550,
    );
    await followed(
      "MAC",
      () => node.setLink(f0, { mac: "02:00:00:00:f0:55" }),
      () => first()?.sourceMac === "02:00:00:00:f0:55",
    );
    await followed(
      "address gone",
      () => node.deleteAddress({ ifindex: f0, address: "198.18.10.2/24" }),
      () => `${devices({ remote: n2.underlay4 })}` === "f1",
    );
    await followed(
      "preferred source gone, and the route with it",
      () => node.deleteAddress({ ifindex: indexOf(node, "lo"), address: `${n1.underlay4}/32` }),
      () => devices({ remote: n2.underlay4 }).length === 0,
    );
  });

  test("what it lost while events overran its buffer", async () => {
    underlay[Symbol.dispose]();
    underlay = open({ bufferBytes: 4096 });
    await trackBoth();
    const f0 = indexOf(node, "f0");
    await followed(
      "overrun",
      () => {
        // The event loop does not run meanwhile.
        for (let i = 0; i < 200; i++) node.addRoute({ destination: `10.3.${i}.0/24`, ifindex: f0 });
        node.setNeighbour({ ifindex: f0, address: "198.18.10.1", mac: "02:00:00:00:00:97" });
        node.addRoute({ destination: `${n2.underlay6}/128`, ifindex: f0, gateway: "2001:db8:1::1" }, "replace");
      },
      () =>
        underlay.paths({ remote: n2.underlay4 })[0]?.destinationMac === "02:00:00:00:00:97" &&
        `${devices({ remote: n2.underlay6 })}` === "f0",
    );
    await followed(
      "a change after that",
      () => node.setLink(f0, { up: false }),
      () => `${devices({ remote: n2.underlay4 })}` === "f1",
    );
  });

  test("the loss of a link that thousands of targets use", async () => {
    const { stderr } = lab.execSync("n1", [
      "ip",
      "route",
      "add",
      "203.0.0.0/16",
      ...["nexthop", "via", "198.18.10.1", "dev", "f0"],
      ...["nexthop", "via", "198.18.11.1", "dev", "f1"],
    ]);
    expect(stderr).toBe("");
    const targets = Array.from({ length: 4000 }, (_, i) => ({ remote: `203.0.${i >> 8}.${i & 255}` }));
    const start = performance.now();
    for (const target of targets) underlay.track(target);
    console.log(`4000 targets: tracked within ${(performance.now() - start).toFixed(0)} ms`);
    const all = (count: number) => targets.every((target) => underlay.paths(target).length === count);
    await until(() => all(2));
    await followed(
      "link down, 4000 targets",
      () => node.setLink("f0", { up: false }),
      () => all(1),
    );
  });
});

describe("neighbours in use", () => {
  test("are kept fresh by the kernel, and left to it when they are not needed or released", async () => {
    await trackBoth();
    const f0 = indexOf(node, "f0");
    const managed = (address: string) => node.neighbour(f0, address)?.managed;
    await until(() => managed("198.18.10.1") === true && managed("2001:db8:1::1") === true);
    underlay.untrack({ remote: n2.underlay4 });
    expect(managed("198.18.10.1")).toBe(false);
    expect(managed("2001:db8:1::1")).toBe(true);
    underlay[Symbol.dispose]();
    expect(managed("2001:db8:1::1")).toBe(true);
    releaseNeighbours(node);
    expect(managed("2001:db8:1::1")).toBe(false);
  });

  test("that were entered by hand are used as they are", async () => {
    const f0 = indexOf(node, "f0");
    const entry = { ifindex: f0, address: "198.18.10.1", mac: "02:00:00:00:00:42" };
    node.setNeighbour(entry);
    const paths = underlay.track({ remote: n2.underlay4 });
    expect(paths[0]?.destinationMac).toBe(entry.mac);
    await Bun.sleep(50);
    expect(node.neighbour(f0, entry.address)).toMatchObject({ mac: entry.mac, state: "permanent", managed: false });
  });

  test("that do not answer are asked again until they do", async () => {
    const remote = "198.18.10.77";
    underlay.track({ remote });
    await Bun.sleep(100);
    expect(underlay.paths({ remote })).toEqual([]);
    router.addAddress({ ifindex: indexOf(router, "n1f0"), address: `${remote}/24` });
    await until(() => underlay.paths({ remote }).length === 1, 6000);
  }, 10_000);
});
