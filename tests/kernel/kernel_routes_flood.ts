// SPDX-License-Identifier: Apache-2.0
/** Many routes in a kernel table that a VRF follows: they come, change and go, and both tables are compared. */
import type { DataPlane, KernelRoutesStatus } from "../../sdk/index.ts";
import { type Lab, nodes, waitFor } from "../../sdk/lab/index.ts";
import type { RouteInfo } from "../../sdk/netlink/index.ts";

export const FLOOD_TABLE = 100;
const { n1 } = nodes;

/** The state of a node whose VRF follows the table. */
export const floodDocument = {
  node: { underlay: n1.underlay4 },
  vrfs: [{ name: "red", kernelRoutes: { table: FLOOD_TABLE, encap: "vxlan", vni: 77 } }],
  interfaces: [{ name: "f0", role: "fabric" }],
};

/** What a step cost. */
export interface FloodStep {
  /** Seconds that ip(8) took. */
  readonly ipSeconds: number;
  /** Seconds until the VRF had all of it. */
  readonly seconds: number;
  /** Longest time in which nothing else in this process got its turn. */
  readonly longestStallMs: number;
}

/** Each fifth is IPv6, each sixteenth has two ways. `turn` chooses other gateways. */
function lineOf(i: number, turn: number): string {
  const v6 = i % 5 === 0;
  const destination = v6
    ? `fd10:${(i >> 16).toString(16)}:${(i & 0xffff).toString(16)}::/48`
    : `${20 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.0/24`;
  const gateway = (n: number) => (v6 ? `2001:db8::${(2 + (n % 60)).toString(16)}` : `192.0.2.${2 + (n % 200)}`);
  const first = gateway(i + turn);
  const ways =
    i % 16 === 0
      ? `nexthop via ${first} dev f0 weight 2 nexthop via ${gateway(i + turn + 7)} dev f0`
      : `via ${first} dev f0`;
  return `${destination} proto bird table ${FLOOD_TABLE} ${ways}`;
}

/** A node's table and the VRF that follows it. */
export class RouteFlood {
  readonly #lab: Lab;
  readonly #dp: DataPlane;
  readonly #count: number;

  constructor(lab: Lab, dp: DataPlane, count: number) {
    this.#lab = lab;
    this.#dp = dp;
    this.#count = count;
  }

  /** All routes come. */
  arrive(): Promise<FloodStep> {
    return this.#run((i) => `route add ${lineOf(i, 0)}`, this.#count);
  }

  /** All routes lead elsewhere. */
  change(): Promise<FloodStep> {
    // Of IPv6 ip(8) cannot replace one way by several, but these keep their number.
    return this.#run((i) => `route replace ${lineOf(i, 3)}`, this.#count);
  }

  /** All routes go. */
  leave(): Promise<FloodStep> {
    return this.#run((i) => `route del ${lineOf(i, 3)}`, 0);
  }

  /**
   * The table is read anew, as after an address went, while routes come and go.
   * @returns longest time in which nothing else in this process got its turn, in milliseconds
   */
  async readAnew(): Promise<number> {
    using netlink = this.#lab.netlink("n1");
    const ifindex = netlink.link("f0")?.index ?? 0;
    netlink.addAddress({ ifindex, address: "198.51.100.9/32" });
    netlink.deleteAddress({ ifindex, address: "198.51.100.9/32" });
    // It begins in a tenth of a second.
    await waitFor(() => this.#status.pending > 0, { what: "the table to be read anew", intervalMs: 1 });
    using stalls = new Stalls();
    let meanwhile = 0;
    for (; this.#status.pending > 0 && meanwhile < 200; meanwhile++) {
      netlink.addRoute({
        destination: `fd20:${meanwhile.toString(16)}::/48`,
        table: FLOOD_TABLE,
        gateway: "2001:db8::2",
      });
      netlink.deleteRoute({ destination: `fd20:${meanwhile.toString(16)}::/48`, table: FLOOD_TABLE });
      netlink.addRoute({ destination: `172.30.${meanwhile}.0/24`, table: FLOOD_TABLE, gateway: "192.0.2.2" });
      await Bun.sleep(1);
    }
    for (let i = 0; i < meanwhile; i += 2) netlink.deleteRoute({ destination: `172.30.${i}.0/24`, table: FLOOD_TABLE });
    await this.#caughtUp();
    await waitFor(() => this.#status.pending === 0, { what: "the end of the listing", timeoutMs: 120_000 });
    for (let i = 1; i < meanwhile; i += 2) netlink.deleteRoute({ destination: `172.30.${i}.0/24`, table: FLOOD_TABLE });
    await this.#caughtUp();
    return stalls.longestMs;
  }

  async #run(line: (i: number) => string, count: number): Promise<FloodStep> {
    const lines: string[] = [];
    for (let i = 0; i < this.#count; i++) lines.push(line(i));
    const input = `${lines.join("\n")}\n`;
    using stalls = new Stalls();
    const start = performance.now();
    const seconds = () => (performance.now() - start) / 1000;
    const { status, stderr } = await this.#lab.exec("n1", ["ip", "-batch", "-"], { input, timeoutMs: 300_000 });
    if (status !== 0) throw new Error(`ip -batch: ${stderr}`);
    const ipSeconds = seconds();
    await this.#caughtUp();
    const step = { ipSeconds, seconds: seconds(), longestStallMs: stalls.longestMs };
    await waitFor(() => this.#status.mirrored === count && this.#status.pending === 0, { what: `${count} routes` });
    return step;
  }

  /** Events come in the kernel's order: when a route that came last is there, all that came before it has been seen. */
  async #caughtUp(): Promise<void> {
    using netlink = this.#lab.netlink("n1");
    const last = { destination: "172.31.0.0/24", table: FLOOD_TABLE, type: "blackhole" } as const;
    const is = () => this.#dp.tables.routes.get({ vrf: "red", prefix: last.destination }) !== undefined;
    netlink.addRoute(last);
    await waitFor(() => is() && this.#status.pending === 0, { what: "the last route", timeoutMs: 120_000 });
    netlink.deleteRoute(last);
    await waitFor(() => !is() && this.#status.pending === 0, { what: "the last route to go" });
  }

  get #status(): KernelRoutesStatus {
    return this.#dp.tables.vrfs.get("red")?.status["kernelRoutes"] as KernelRoutesStatus;
  }

  /** Compares both tables, route by route. @returns destinations that differ, ten at most */
  async differences(): Promise<string[]> {
    const wanted = new Map<string, string>();
    using netlink = this.#lab.netlink("n1");
    for (const family of [4, 6] as const) {
      netlink.visitRoutes(
        { family, table: FLOOD_TABLE },
        () => (route) => wanted.set(route.destination, waysOf(route)),
      );
    }
    const names = new Map<string, string>();
    for (const { name, members, remote } of this.#dp.tables.nexthops.entries()) {
      const ways = members?.map(({ nexthop, weight = 1 }) => `${nexthop.slice("kernel:vxlan:".length)}*${weight}`);
      names.set(name, ways?.sort().join(" ") ?? `${remote}*1`);
    }
    const different: string[] = [];
    for (const { prefix, via } of this.#dp.tables.routes.entries()) {
      if (wanted.get(prefix) !== names.get(via)) different.push(prefix);
      wanted.delete(prefix);
    }
    return [...different, ...wanted.keys()].slice(0, 10);
  }
}

class Stalls implements Disposable {
  longestMs = 0;
  #last = performance.now();
  readonly #timer = setInterval(() => {
    const now = performance.now();
    this.longestMs = Math.max(this.longestMs, now - this.#last);
    this.#last = now;
  }, 1);

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

const waysOf = ({ nextHops }: RouteInfo): string =>
  nextHops
    .map(({ gateway, weight }) => `${gateway}*${weight}`)
    .sort()
    .join(" ");
