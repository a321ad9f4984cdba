// SPDX-License-Identifier: Apache-2.0
/** The prefixes of a VRF's own workloads in one of the kernel's tables, for a routing daemon to announce. */
import type { Netlink, RouteInfo } from "../../netlink/index.ts";
import { routeProtocols } from "../../netlink/index.ts";

/** Where own prefixes lead: the devices of their workloads that are up. */
export type DevicesOf = (via: string) => readonly number[];

/** Keeps Weir's routes of one table what they should be: `PREFIX dev DEVICE proto 87`. */
export class Exporter {
  readonly table: number;
  readonly #netlink: Netlink;
  readonly #devicesOf: DevicesOf;
  /** Next hop by own prefix. */
  readonly #own = new Map<string, string>();
  /** Devices by prefix, as the kernel has them. */
  readonly #present = new Map<string, readonly number[]>();
  readonly #dirty = new Set<string>();

  constructor(table: number, netlink: Netlink, devicesOf: DevicesOf) {
    this.table = table;
    this.#netlink = netlink;
    this.#devicesOf = devicesOf;
  }

  /** Prefixes that are in the kernel's table. */
  get size(): number {
    return this.#present.size;
  }

  /**
   * Takes note of what the table has, of an earlier process too.
   * @param routes of the table, others than Weir's among them. Default: as it is now.
   */
  relist(routes: Iterable<RouteInfo> = exportedRoutes(this.#netlink, this.table)): void {
    this.#present.clear();
    for (const route of routes) if (isExported(route, this.table)) this.#note(route);
    this.reconsider();
  }

  /** A prefix is, or is no more, one of the VRF's own. */
  own(prefix: string, via: string | undefined): void {
    if (this.#own.get(prefix) === via) return;
    if (via === undefined) this.#own.delete(prefix);
    else this.#own.set(prefix, via);
    this.#dirty.add(prefix);
  }

  /** Devices came, went, or changed their state. */
  reconsider(): void {
    for (const prefix of this.#own.keys()) this.#dirty.add(prefix);
    for (const prefix of this.#present.keys()) this.#dirty.add(prefix);
  }

  get pending(): boolean {
    return this.#dirty.size > 0;
  }

  /** The kernel tells of one of Weir's routes. */
  changed(change: "new" | "delete", route: RouteInfo): void {
    if (!isExported(route, this.table)) return;
    if (change === "new") this.#note(route);
    else this.#present.delete(route.destination);
    this.#dirty.add(route.destination);
  }

  /** A device is down: the kernel took the routes over it away without telling. */
  deviceDown(ifindex: number): void {
    for (const [prefix, devices] of this.#present) {
      if (!devices.includes(ifindex)) continue;
      this.#present.delete(prefix);
      this.#dirty.add(prefix);
    }
  }

  /** Brings what changed into the kernel's table. @returns what could not be done */
  flush(): unknown[] {
    const failures: unknown[] = [];
    for (const prefix of this.#dirty) {
      try {
        this.#bring(prefix);
      } catch (error) {
        failures.push(error);
      }
    }
    this.#dirty.clear();
    return failures;
  }

  #bring(prefix: string): void {
    const via = this.#own.get(prefix);
    const devices = via === undefined ? [] : this.#devicesOf(via);
    // IPv6 has no multipath routes without gateways.
    const wanted = prefix.includes(":") ? devices.slice(0, 1) : devices;
    const present = this.#present.get(prefix) ?? [];
    if (wanted.length === present.length && wanted.every((ifindex) => present.includes(ifindex))) return;
    if (wanted.length === 0) {
      removeExported(this.#netlink, prefix, this.table);
      this.#present.delete(prefix);
      return;
    }
    const nextHops = wanted.map((ifindex) => ({ ifindex }));
    const ways = nextHops.length === 1 ? nextHops[0] : { nextHops };
    this.#netlink.addRoute(
      { destination: prefix, table: this.table, protocol: routeProtocols.weir, ...ways },
      "replace",
    );
    this.#present.set(prefix, wanted);
  }

  #note(route: RouteInfo): void {
    const devices = route.nextHops.flatMap(({ ifindex }) => ifindex ?? []);
    this.#present.set(route.destination, devices);
  }

  /** Takes all of it out of the kernel's table. */
  withdraw(): void {
    this.#own.clear();
    withdrawExports(this.#netlink, this.table);
    this.#present.clear();
    this.#dirty.clear();
  }
}

/** Those of an interface of role host refer to a nexthop object. */
const isExported = (route: RouteInfo, table: number): boolean =>
  route.table === table && route.protocol === routeProtocols.weir && route.nexthopId === undefined;

function exportedRoutes(netlink: Netlink, table: number): RouteInfo[] {
  return netlink.routes({ table, protocol: routeProtocols.weir }).filter((route) => isExported(route, table));
}

/** A route that went meanwhile is no failure. */
function removeExported(netlink: Netlink, destination: string, table: number): void {
  try {
    netlink.deleteRoute({ destination, table, protocol: routeProtocols.weir });
  } catch (error) {
    if ((error as { code?: string }).code !== "ESRCH") throw error;
  }
}

/** Takes Weir's routes out of a table of the kernel's. */
export function withdrawExports(netlink: Netlink, table: number): void {
  for (const { destination } of exportedRoutes(netlink, table)) removeExported(netlink, destination, table);
}
