// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { hopKey, type KernelWay, KernelWays } from "../../sdk/dataplane/kernel_routes/kernel_way.ts";
import { TableMirror } from "../../sdk/dataplane/kernel_routes/table_mirror.ts";
import { Netlink, type RouteMode } from "../../sdk/netlink/index.ts";
import { settle, TestNamespace } from "./netlink_support.ts";

const TABLE = 100;

/** Follows the table by events alone, from the time that it is empty. */
class Followed implements Disposable {
  readonly mirror = new TableMirror(TABLE, new KernelWays());
  readonly netlink: Netlink;
  /** Routes that went and were not known. */
  unknown = 0;
  readonly #watch: Disposable;

  constructor(ns: TestNamespace) {
    this.netlink = Netlink.open({ netns: ns.name });
    this.#watch = this.netlink.watch(["route"], (event) => {
      if (event.kind !== "route") return;
      if (event.change === "new") this.mirror.added(event.route, event.mode);
      else if (!this.mirror.removed(event.route)) this.unknown++;
    });
  }

  /** What a mirror has that reads the kernel's table now. */
  get kernel(): TableMirror {
    const mirror = new TableMirror(TABLE, new KernelWays());
    mirror.relist((family, begin) => this.netlink.visitRoutes({ family, table: TABLE }, begin));
    return mirror;
  }

  async caughtUp(): Promise<void> {
    const destination = "172.31.0.0/24";
    this.netlink.addRoute({ destination, table: TABLE, type: "blackhole" });
    await settle(() => this.mirror.wayTo(destination) !== undefined);
    this.netlink.deleteRoute({ destination, table: TABLE });
    await settle(() => this.mirror.wayTo(destination) === undefined);
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.netlink.close();
  }
}

const wayText = (way: KernelWay | undefined): string =>
  way === undefined ? "none" : `${way.type} ${way.nexthopId ?? ""}${way.hops.map(hopKey).sort().join("")}`;

const contents = (mirror: TableMirror): string[] =>
  [...mirror.destinations()].map((destination) => `${destination} ${wayText(mirror.wayTo(destination))}`).sort();

function setUp(ns: TestNamespace): void {
  for (const command of [
    "link add v0 type veth peer name v1",
    "link set v0 up",
    "link set v1 up",
    "addr add 10.1.0.1/24 dev v0",
    "addr add 10.2.0.1/24 dev v1",
    "-6 addr add fd00:1::1/64 dev v0 nodad",
    "-6 addr add fd00:2::1/64 dev v1 nodad",
  ]) {
    ns.run("ip", ...command.split(" "));
  }
}

const cases: readonly (readonly [string, readonly string[]])[] = [
  ["a route", ["route add 10.3.0.0/16 via 10.1.0.2"]],
  ["a route that is replaced", ["route add 10.3.0.0/16 via 10.1.0.2", "route replace 10.3.0.0/16 via 10.1.0.3"]],
  ["a route behind another", ["route add 10.3.0.0/16 via 10.1.0.2", "route append 10.3.0.0/16 via 10.1.0.3"]],
  ["a route before another", ["route add 10.3.0.0/16 via 10.1.0.2", "route prepend 10.3.0.0/16 via 10.1.0.3"]],
  [
    "the first of two routes replaced",
    [
      "route add 10.3.0.0/16 via 10.1.0.2",
      "route append 10.3.0.0/16 via 10.1.0.3",
      "route replace 10.3.0.0/16 via 10.1.0.4",
    ],
  ],
  [
    "the first of two routes deleted",
    [
      "route add 10.3.0.0/16 via 10.1.0.2",
      "route append 10.3.0.0/16 via 10.1.0.3",
      "route del 10.3.0.0/16 via 10.1.0.2",
    ],
  ],
  [
    "metrics in any order",
    [
      "route add 10.3.0.0/16 via 10.1.0.2 metric 50",
      "route add 10.3.0.0/16 via 10.1.0.3 metric 20",
      "route add 10.3.0.0/16 via 10.1.0.4 metric 90",
      "route del 10.3.0.0/16 metric 20",
    ],
  ],
  [
    "several ways, of which one goes",
    [
      "-6 route add fd00:3::/64 nexthop via fd00:1::2 nexthop via fd00:2::2 nexthop via fd00:1::3",
      "-6 route del fd00:3::/64 via fd00:2::2",
    ],
  ],
  [
    "IPv6 ways with weights, which leave one after the other",
    [
      "-6 route add fd00:3::/64 nexthop via fd00:1::2 weight 3 nexthop via fd00:2::2 weight 5",
      "-6 route add fd00:4::/64 nexthop via fd00:1::2 weight 3 nexthop via fd00:2::2 weight 5",
      "-6 route del fd00:3::/64 via fd00:2::2",
      "-6 route del fd00:4::/64 via fd00:2::2",
      "-6 route del fd00:4::/64 via fd00:1::2",
    ],
  ],
  [
    "IPv6 ways that join one by one, and leave",
    [
      "-6 route add fd00:3::/64 via fd00:1::2",
      "-6 route append fd00:3::/64 via fd00:2::2",
      "-6 route append fd00:3::/64 via fd00:1::3",
      "-6 route del fd00:3::/64 via fd00:1::2",
      "-6 route del fd00:3::/64 via fd00:1::3",
    ],
  ],
  [
    "IPv6 ways that are replaced",
    [
      "-6 route add fd00:3::/64 nexthop via fd00:1::2 nexthop via fd00:2::2",
      "-6 route replace fd00:3::/64 via fd00:1::9",
      "-6 route replace fd00:3::/64 nexthop via fd00:1::4 nexthop via fd00:2::5",
    ],
  ],
  [
    "several ways that are replaced",
    [
      "route add 10.3.0.0/16 nexthop via 10.1.0.2 weight 2 nexthop via 10.2.0.2",
      "route replace 10.3.0.0/16 nexthop via 10.1.0.2 weight 5 nexthop via 10.2.0.2",
    ],
  ],
  [
    "other tables and protocol 87",
    ["route add 10.3.0.0/16 via 10.1.0.2 table 7", "route add 10.4.0.0/16 dev v0 proto 87"],
  ],
  ["a type of service", ["route add 10.3.0.0/16 via 10.1.0.2", "route add 10.3.0.0/16 tos 0x10 via 10.2.0.2"]],
  ["an IPv6 link that goes down", ["-6 route add fd00:3::/64 via fd00:1::2", "link set v0 down"]],
];

describe("a table that is followed by events is as the kernel has it, after", () => {
  for (const [name, commands] of cases) {
    test(name, async () => {
      using ns = new TestNamespace();
      setUp(ns);
      using followed = new Followed(ns);
      await Bun.sleep(20);
      for (const command of commands) {
        const words = command.split(" ");
        const own = words.includes("route") && !words.includes("table") ? [...words, "table", `${TABLE}`] : words;
        // Multipath routes end with their ways.
        const at = own.indexOf("nexthop");
        const argv = at < 0 ? own : [...own.slice(0, at), ...own.slice(-2), ...own.slice(at, -2)];
        ns.run("ip", ...argv);
      }
      await followed.caughtUp();
      expect(contents(followed.mirror)).toEqual(contents(followed.kernel));
      expect(followed.unknown).toBe(0);
    });
  }
});

test("events that are older than a listing end in the kernel's state", async () => {
  using ns = new TestNamespace();
  setUp(ns);
  using followed = new Followed(ns);
  await Bun.sleep(20);
  const { netlink, mirror } = followed;
  const add = (gateway: string, mode: RouteMode, priority = 0) =>
    netlink.addRoute({ destination: "10.3.0.0/16", gateway, table: TABLE, priority }, mode);
  const six = (gateway: string, mode: RouteMode) =>
    netlink.addRoute({ destination: "fd00:3::/64", gateway, table: TABLE }, mode);
  for (let round = 0; round < 3; round++) {
    add("10.1.0.2", "create");
    add("10.1.0.3", "append");
    add("10.1.0.4", "replace");
    add("10.1.0.5", "create", 7);
    netlink.deleteRoute({ destination: "10.3.0.0/16", gateway: "10.1.0.3", table: TABLE });
    six("fd00:1::2", "create");
    six("fd00:2::2", "append");
    six("fd00:1::3", "append");
    netlink.deleteRoute({ destination: "fd00:3::/64", gateway: "fd00:2::2", table: TABLE });
    // The event loop has not run: all of it waits, and is told again after this.
    mirror.relist((family, begin) => netlink.visitRoutes({ family, table: TABLE }, begin));
    await followed.caughtUp();
    expect(contents(mirror)).toEqual(contents(followed.kernel));
    for (const family of [4, 6] as const) {
      for (const { destination, priority } of netlink.routes({ table: TABLE, family })) {
        netlink.deleteRoute({ destination, priority, table: TABLE });
      }
    }
    await followed.caughtUp();
    expect(mirror.size).toBe(0);
  }
});
