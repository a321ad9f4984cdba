// SPDX-License-Identifier: Apache-2.0
/** Where routes of the kernel lead. Of many routes few lead to different places: each place is one object. */
import type { RouteEncap, RouteInfo, RouteNextHop, RouteType } from "../../netlink/index.ts";

/** Where a route of the kernel leads. */
export interface KernelWay {
  readonly type: RouteType;
  /** Empty where a nexthop object says it, and for types that lead nowhere. */
  readonly hops: readonly RouteNextHop[];
  /** Id of the kernel's nexthop object. */
  readonly nexthopId: number | undefined;
}

/** A route of the kernel to one destination. */
export interface KernelRoute {
  /** The lowest is taken. */
  readonly priority: number;
  readonly way: KernelWay;
}

/** Gives equal routes and ways the same object. */
export class KernelWays {
  readonly #ways = new Map<string, KernelWay>();
  readonly #routes = new Map<KernelWay, Map<number, KernelRoute>>();

  /** What a route of the kernel says about its destination. */
  routeOf({ type, nextHops, nexthopId, priority }: RouteInfo): KernelRoute {
    const way = this.#wayOf(type, nextHops, nexthopId);
    let routes = this.#routes.get(way);
    if (routes === undefined) {
      routes = new Map();
      this.#routes.set(way, routes);
    }
    let route = routes.get(priority);
    if (route === undefined) {
      route = { priority, way };
      routes.set(priority, route);
    }
    return route;
  }

  #wayOf(type: RouteType, hops: readonly RouteNextHop[], nexthopId: number | undefined): KernelWay {
    let key = nexthopId === undefined ? `${type}` : `${type} ${nexthopId}`;
    if (nexthopId === undefined) for (const hop of hops) key += hopKey(hop);
    let way = this.#ways.get(key);
    if (way === undefined) {
      way = { type, hops: nexthopId === undefined ? hops : [], nexthopId };
      this.#ways.set(key, way);
    }
    return way;
  }

  /** Forgets the ways that nobody uses. */
  retain(used: (way: KernelWay) => boolean): void {
    for (const [key, way] of this.#ways) {
      if (used(way)) continue;
      this.#ways.delete(key);
      this.#routes.delete(way);
    }
  }

  get size(): number {
    return this.#ways.size;
  }
}

/** What of a next hop makes it another one. That it is down is no part of it: Weir finds out by itself. */
export function hopKey({ ifindex, gateway, weight, encap, encapType }: RouteNextHop): string {
  return ` ${ifindex}>${gateway}*${weight}${encapType === 0 ? "" : tunnelKey(encapType, encap)}`;
}

function tunnelKey(encapType: number, encap: RouteEncap | undefined): string {
  if (encap === undefined) return `type ${encapType}`;
  return encap.type === "mpls" ? encap.labels.join("/") : `${encap.id} ${encap.source}>${encap.destination}`;
}
