// SPDX-License-Identifier: Apache-2.0
/** The kernel's network tables of one namespace behind one object. */

import type { Family } from "../address.ts";
import { close } from "../runtime/libc.ts";
import {
  type AddressFilter,
  type AddressInfo,
  type AddressSpec,
  addAddress,
  deleteAddress,
  listAddresses,
} from "./address.ts";
import { NETLINK_ROUTE } from "./constants.ts";
import {
  addLink,
  deleteLink,
  findLink,
  type LinkChange,
  type LinkInfo,
  type LinkKey,
  listLinks,
  setLink,
} from "./link.ts";
import type { LinkSpec } from "./link_kind.ts";
import { namespaceId } from "./namespace.ts";
import {
  deleteNeighbour,
  findNeighbour,
  listNeighbours,
  type NeighbourFilter,
  type NeighbourInfo,
  type NeighbourKey,
  type NeighbourSpec,
  setNeighbour,
} from "./neighbour.ts";
import {
  addNexthop,
  deleteNexthop,
  findNexthop,
  listNexthops,
  type NexthopFilter,
  type NexthopInfo,
  type NexthopSpec,
} from "./nexthop.ts";
import {
  addRoute,
  deleteRoute,
  listRoutes,
  lookupRoute,
  type RouteFilter,
  type RouteLookup,
  type RouteMode,
  type RouteSpec,
  visitRoutes,
  walkRoutes,
} from "./route.ts";
import type { RouteInfo } from "./route_decode.ts";
import { addRule, deleteRule, listRules, type RuleInfo, type RuleSpec } from "./rule.ts";
import { NetlinkSocket } from "./socket.ts";
import { type WatchGroup, type WatchListener, type WatchOptions, watch } from "./watch.ts";

export interface NetlinkOptions {
  /**
   * Namespace whose tables are meant: a name (`blue`, as in `ip netns`) or a path (`/proc/1234/ns/net`).
   * Default: the one that the calling thread is in.
   */
  readonly netns?: string | undefined;
}

/**
 * Links, addresses, routes, rules and neighbours of one network namespace. All calls are synchronous and take
 * effect before they return; errors are `WeirError`s with the errno's name as `code` and the kernel's
 * explanation. The socket stays in its namespace wherever the thread goes.
 *
 * ```ts
 * using netlink = Netlink.open({ netns: "blue" });
 * const link = netlink.addLink({ kind: "veth", name: "v0", peer: { name: "eth0", netns: "pod" }, up: true });
 * netlink.addAddress({ ifindex: link.index, address: "10.0.0.1/24" });
 * netlink.addRoute({ destination: "10.1.0.0/16", gateway: "10.0.0.2" });
 * ```
 */
export class Netlink implements Disposable {
  readonly #socket: NetlinkSocket;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** @throws WeirError `ENOENT` if there is no such namespace, `EPERM` without CAP_SYS_ADMIN for another one */
  static open(o: NetlinkOptions = {}): Netlink {
    return new Netlink(NetlinkSocket.open(NETLINK_ROUTE, o.netns));
  }

  /** All links, in the order of their indexes. */
  links(): LinkInfo[] {
    return listLinks(this.#socket);
  }

  /** One link by index, name or alternative name; `undefined` if there is none. */
  link(key: LinkKey): LinkInfo | undefined {
    return findLink(this.#socket, key);
  }

  /** Creates a virtual link. @throws WeirError `EEXIST` if the name (or the peer's) is taken */
  addLink(spec: LinkSpec): LinkInfo {
    return addLink(this.#socket, spec);
  }

  /** Changes a link. @throws WeirError `ENODEV` if there is no such link */
  setLink(key: LinkKey, change: LinkChange): void {
    setLink(this.#socket, key, change);
  }

  /** Deletes a link; of a veth pair both ends go. @throws WeirError `ENODEV`, `EOPNOTSUPP` for hardware */
  deleteLink(key: LinkKey): void {
    deleteLink(this.#socket, key);
  }

  /** The addresses of the links. */
  addresses(filter?: AddressFilter): AddressInfo[] {
    return listAddresses(this.#socket, filter);
  }

  /** Gives a link an address. @throws WeirError `EEXIST`, `ENODEV` */
  addAddress(spec: AddressSpec): void {
    addAddress(this.#socket, spec);
  }

  /** Takes an address from a link. @throws WeirError `EADDRNOTAVAIL` if the link does not have it */
  deleteAddress(spec: Pick<AddressSpec, "ifindex" | "address" | "peer">): void {
    deleteAddress(this.#socket, spec);
  }

  /** The routes of all tables, or those that match. */
  routes(filter?: RouteFilter): RouteInfo[] {
    return listRoutes(this.#socket, filter);
  }

  /**
   * Visits the routes of a family one by one, for tables that are too large to be listed.
   * @param begin called before each attempt (a change may interrupt one): it forgets what earlier attempts gave, and
   *   returns who takes the routes
   */
  visitRoutes(filter: RouteFilter & { readonly family: Family }, begin: () => (route: RouteInfo) => void): void {
    visitRoutes(this.#socket, filter, begin);
  }

  /**
   * Like {@link visitRoutes}, some hundred routes at each turn, on a socket of its own, so that other work goes on in
   * between. The table may change meanwhile: who watches it, too, knows how.
   */
  *walkRoutes(
    filter: RouteFilter & { readonly family: Family },
    begin: () => (route: RouteInfo) => void,
  ): Generator<void> {
    const namespace = this.#socket.openNamespace();
    let socket: NetlinkSocket;
    try {
      socket = NetlinkSocket.open(NETLINK_ROUTE, `/proc/self/fd/${namespace}`);
    } finally {
      close(namespace);
    }
    using _ = socket;
    yield* walkRoutes(socket, filter, begin);
  }

  /** Where the kernel would send a packet (`ip route get`). @throws WeirError `ENETUNREACH`, `EHOSTUNREACH`, `EACCES` */
  lookupRoute(address: string, o?: RouteLookup): RouteInfo {
    return lookupRoute(this.#socket, address, o);
  }

  /** Adds a route. @throws WeirError `EEXIST`, `ENETUNREACH` (the gateway is not on a link), `ENODEV` */
  addRoute(spec: RouteSpec, mode?: RouteMode): void {
    addRoute(this.#socket, spec, mode);
  }

  /** Deletes the first route that has all given properties. @throws WeirError `ESRCH` if there is none */
  deleteRoute(spec: RouteSpec): void {
    deleteRoute(this.#socket, spec);
  }

  /** The policy routing rules, in the order in which each family's are tried. */
  rules(family?: Family): RuleInfo[] {
    return listRules(this.#socket, family);
  }

  /** Adds a rule. @throws WeirError `EEXIST`, `EINVAL` with the kernel's explanation */
  addRule(spec: RuleSpec): void {
    addRule(this.#socket, spec);
  }

  /** Deletes the first rule that has all given properties. @throws WeirError `ENOENT` if there is none */
  deleteRule(spec: RuleSpec): void {
    deleteRule(this.#socket, spec);
  }

  /** The nexthop objects that routes refer to by id. */
  nexthops(filter?: NexthopFilter): NexthopInfo[] {
    return listNexthops(this.#socket, filter);
  }

  /** One nexthop object by id; `undefined` if there is none. */
  nexthop(id: number): NexthopInfo | undefined {
    return findNexthop(this.#socket, id);
  }

  /** Makes a nexthop object. @throws WeirError `EEXIST`, `ENODEV`, `EINVAL` with the kernel's explanation */
  addNexthop(spec: NexthopSpec): void {
    addNexthop(this.#socket, spec, false);
  }

  /** Makes a nexthop object, or changes the one that has the id; routes that refer to it follow. */
  replaceNexthop(spec: NexthopSpec): void {
    addNexthop(this.#socket, spec, true);
  }

  /** Deletes a nexthop object, and the routes that refer to it. @throws WeirError `ENOENT` if there is none */
  deleteNexthop(id: number): void {
    deleteNexthop(this.#socket, id);
  }

  /** The entries of the ARP and neighbour discovery tables. */
  neighbours(filter?: NeighbourFilter): NeighbourInfo[] {
    return listNeighbours(this.#socket, filter);
  }

  /** One entry; `undefined` if there is none. */
  neighbour(ifindex: number, address: string): NeighbourInfo | undefined {
    return findNeighbour(this.#socket, { ifindex, address });
  }

  /** Makes an entry or changes it; with `resolve` the kernel asks for the MAC. */
  setNeighbour(spec: NeighbourSpec): void {
    setNeighbour(this.#socket, spec);
  }

  /** Removes an entry. @throws WeirError `ENOENT` if there is none */
  deleteNeighbour(key: NeighbourKey): void {
    deleteNeighbour(this.#socket, key);
  }

  /** The id by which links here refer to another namespace; `undefined` if nothing here does. */
  namespaceId(netns: string): number | undefined {
    return namespaceId(this.#socket, netns);
  }

  /**
   * Calls `listener` on the event loop with each change, from now until disposed. List after watching, and
   * again on `resynchronise`.
   */
  watch(groups: readonly WatchGroup[], listener: WatchListener, o?: WatchOptions): Disposable {
    return watch(this.#socket.openNamespace(), groups, listener, o);
  }

  /** Closes the request socket; watches go on. */
  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
