// SPDX-License-Identifier: Apache-2.0
/** The routes of a VRF in one of the kernel's tables, so that what the host's processes send there gets to Weir. */
import type { Family } from "../../address.ts";
import { WeirError } from "../../errors.ts";
import { type Netlink, type RouteInfo, routeProtocols } from "../../netlink/index.ts";

/**
 * Metric of the routes. The host may have a route of its own to the same destination; its lower metric wins.
 * So it is among iproute2's and the routing daemons' the last one.
 */
const METRIC = 0x57_45_00_00;

/** What the routes of one interface are made of. */
export interface HostRoutesParts {
  readonly netlink: Netlink;
  readonly table: number;
  /** Id of the nexthop object that they refer to. */
  readonly nexthop: (family: Family) => number;
  /** Ids that theirs may have, of an earlier process too. */
  readonly nexthops: () => readonly number[];
}

/** What the kernel has of a route, or is to have. */
interface Way {
  /** Largest packet, in bytes; 0: as the device. */
  readonly mtu: number;
  /** Address of the host that its packets come from unless their sender chooses one. */
  readonly source: string | undefined;
}

/** Keeps the routes of one interface what they should be: `PREFIX nhid N dev lo proto 87 src ADDRESS mtu BYTES`. */
export class HostRoutes {
  readonly table: number;
  /** Addresses of the host, one a family at most. */
  sources: { readonly [F in Family]?: string } = {};
  readonly #parts: HostRoutesParts;
  /** MTU by prefix. */
  readonly #wanted = new Map<string, number>();
  readonly #present = new Map<string, Way>();
  readonly #refused = new Set<string>();
  readonly #dirty = new Set<string>();

  constructor(parts: HostRoutesParts) {
    this.table = parts.table;
    this.#parts = parts;
  }

  /** Routes that the kernel has. */
  get size(): number {
    return this.#present.size;
  }

  /** Routes that it refused. */
  get refused(): number {
    return this.#refused.size;
  }

  get pending(): boolean {
    return this.#dirty.size > 0;
  }

  /** Takes note of what the table has, of an earlier process too. */
  relist(): void {
    this.#present.clear();
    const own = new Set(this.#parts.nexthops());
    if (own.size > 0) for (const route of this.#listed(own)) this.#note(route);
    for (const prefix of [...this.#present.keys(), ...this.#wanted.keys()]) this.#dirty.add(prefix);
  }

  #listed(own: ReadonlySet<number>): RouteInfo[] {
    const routes = this.#parts.netlink.routes({ table: this.table, protocol: routeProtocols.weir });
    return routes.filter(({ nexthopId }) => nexthopId !== undefined && own.has(nexthopId));
  }

  #note({ destination, mtu = 0, preferredSource: source }: RouteInfo): void {
    this.#present.set(destination, { mtu, source });
  }

  /** A prefix is wanted, or not any more. @param mtu 0: not known */
  want(prefix: string, mtu: number | undefined): void {
    if (mtu === undefined) this.#wanted.delete(prefix);
    else this.#wanted.set(prefix, mtu);
    this.#dirty.add(prefix);
  }

  /** Nothing is wanted until it is said again. */
  forget(): void {
    for (const prefix of this.#wanted.keys()) this.#dirty.add(prefix);
    this.#wanted.clear();
  }

  /** Brings some of what changed into the kernel's table. @returns what could not be done */
  flush(most: number): unknown[] {
    const failures: unknown[] = [];
    let budget = most;
    for (const prefix of this.#dirty) {
      if (budget-- <= 0) break;
      this.#dirty.delete(prefix);
      this.#refused.delete(prefix);
      try {
        this.#bring(prefix);
      } catch (error) {
        this.#refused.add(prefix);
        failures.push(error);
      }
    }
    return failures;
  }

  #bring(prefix: string): void {
    const { netlink, nexthop } = this.#parts;
    const family: Family = prefix.includes(":") ? 6 : 4;
    const mtu = this.#wanted.get(prefix);
    const present = this.#present.get(prefix);
    if (mtu === undefined) {
      if (present !== undefined) this.#remove(prefix);
      return;
    }
    const source = this.sources[family];
    if (present?.mtu === mtu && present.source === source) return;
    const spec = {
      destination: prefix,
      table: this.table,
      protocol: routeProtocols.weir,
      priority: METRIC,
      nexthopId: nexthop(family),
      ...(source === undefined ? {} : { preferredSource: source }),
      ...(mtu === 0 ? {} : { mtu }),
    };
    netlink.addRoute(spec, present === undefined ? "create" : "replace");
    this.#present.set(prefix, { mtu, source });
  }

  /** A route that went meanwhile is no failure. */
  #remove(prefix: string): void {
    this.#present.delete(prefix);
    try {
      const { table } = this;
      this.#parts.netlink.deleteRoute({ destination: prefix, table, priority: METRIC, protocol: routeProtocols.weir });
    } catch (error) {
      if (!(error instanceof WeirError) || error.code !== "ESRCH") throw error;
    }
  }

  /** Takes all routes out of the table, one after the other: that of another interface may refer to the same object. */
  withdraw(): void {
    this.#wanted.clear();
    for (const prefix of this.#present.keys()) this.#remove(prefix);
    this.#dirty.clear();
  }
}
