// SPDX-License-Identifier: Apache-2.0
/** The kernel's tables as the underlay reads them, and what it asks the kernel to do. */

import { formatAddress, parseAddress } from "../../address.ts";
import { WeirError } from "../../errors.ts";
import type { LinkInfo, NeighbourInfo, Netlink, RouteInfo, RouteNextHop } from "../../netlink/index.ts";
import type { UnderlayLink, UnderlayNeighbour, UnderlayRoute, UnderlayTarget, UnderlayWay } from "./path.ts";
import type { KernelView } from "./resolver.ts";

/**
 * Marks the neighbours that Weir has the kernel keep fresh, so that they can be found again (`NDA_PROTOCOL`;
 * numbers from 5 on are the daemons', `linux/rtnetlink.h`).
 */
const WEIR_PROTOCOL = 87;

/** States in which an entry's MAC may be used (`NUD_VALID`, `linux/neighbour.h`). */
const USABLE: ReadonlySet<string> = new Set(["reachable", "stale", "delay", "probe", "noarp", "permanent"]);

/** States of entries that nobody asks for. */
const FIXED: ReadonlySet<string> = new Set(["noarp", "permanent"]);

const nowhere: UnderlayRoute = { ways: [], usesNexthopObject: false };

/** What is of interest about a link. */
export function underlayLink({ up, running, mac, mtu }: LinkInfo): UnderlayLink {
  return { up, running, mac, mtu };
}

/** What is of interest about a neighbour. */
export function underlayNeighbour(info: NeighbourInfo): UnderlayNeighbour {
  return {
    mac: USABLE.has(info.state) ? info.mac : undefined,
    kept: info.managed || info.externallyLearned || FIXED.has(info.state),
  };
}

/** As the kernel writes it, so that addresses from events compare. */
export function canonical(address: string): string {
  const parsed = parseAddress(address);
  return parsed === undefined ? address : formatAddress(parsed.bytes);
}

/** Answers the resolver's questions over netlink. */
export class KernelTables implements KernelView {
  readonly #netlink: Netlink;

  constructor(netlink: Netlink) {
    this.#netlink = netlink;
  }

  route(target: UnderlayTarget): UnderlayRoute {
    const { ifindex, source } = target;
    const remote = canonical(target.remote);
    if (ifindex !== undefined) {
      const sourceAddress = source ?? this.#sourceBy(remote, ifindex);
      const way = { ifindex, gateway: remote, sourceAddress, mtu: undefined, weight: 1, dead: false };
      return { ways: [way], usesNexthopObject: false };
    }
    const route = this.#lookUp(remote, source);
    if (route === undefined || route.type !== "unicast") return nowhere;
    const ways = this.#hopsOf(route).flatMap((hop): UnderlayWay[] => {
      const { ifindex, gateway = remote, weight, encapType } = hop;
      // A way into a tunnel of the kernel's is none that frames can be written for.
      if (ifindex === undefined || encapType !== 0) return [];
      const dead = hop.dead || hop.linkDown;
      const sourceAddress = source ?? route.preferredSource ?? (dead ? undefined : this.#sourceBy(remote, ifindex));
      return [{ ifindex, gateway, sourceAddress, mtu: route.mtu, weight, dead }];
    });
    return { ways, usesNexthopObject: route.nexthopId !== undefined };
  }

  settle(): void {
    // Changes of links and addresses are told before they take effect on routes, all under one lock, for
    // which this question waits.
    this.#netlink.link("lo");
  }

  link(ifindex: number): UnderlayLink | undefined {
    const link = this.#netlink.link(ifindex);
    return link && underlayLink(link);
  }

  neighbour(ifindex: number, address: string): UnderlayNeighbour | undefined {
    const neighbour = attempt(() => this.#netlink.neighbour(ifindex, address));
    return neighbour && underlayNeighbour(neighbour);
  }

  ask(ifindex: number, address: string): void {
    // Fails where the link went meanwhile, which an event tells.
    attempt(() => {
      const known = this.#netlink.neighbour(ifindex, address);
      // The request would make an entry that somebody made an ordinary one.
      if (known !== undefined && (FIXED.has(known.state) || known.externallyLearned)) return;
      this.#netlink.setNeighbour({ ifindex, address, resolve: true, managed: true, protocol: WEIR_PROTOCOL });
    });
  }

  release(ifindex: number, address: string): void {
    attempt(() => {
      const neighbour = this.#netlink.neighbour(ifindex, address);
      if (neighbour !== undefined) releaseNeighbour(this.#netlink, neighbour);
    });
  }

  #lookUp(remote: string, source: string | undefined): RouteInfo | undefined {
    const bySource = attempt(() => this.#netlink.lookupRoute(remote, { source, entry: true }));
    // The kernel refuses a source that is not its own; Weir may own it all the same.
    return (
      bySource ?? (source === undefined ? undefined : attempt(() => this.#netlink.lookupRoute(remote, { entry: true })))
    );
  }

  /** The ways of a route, also where the kernel is told to describe them in nexthop objects only (`nexthop_compat_mode`). */
  #hopsOf({ nextHops, nexthopId }: RouteInfo): readonly RouteNextHop[] {
    return nextHops.length > 0 || nexthopId === undefined ? nextHops : this.#expand(nexthopId, 1);
  }

  #expand(id: number, weight: number): readonly RouteNextHop[] {
    const nexthop = this.#netlink.nexthop(id);
    if (nexthop === undefined || nexthop.blackhole) return [];
    if (nexthop.members === undefined) return [{ ...nexthop, weight }];
    return nexthop.members.flatMap((member) => this.#expand(member.id, member.weight));
  }

  #sourceBy(remote: string, ifindex: number): string | undefined {
    return attempt(() => this.#netlink.lookupRoute(remote, { ifindex }))?.preferredSource;
  }
}

/**
 * Leaves the neighbours that Weir had the kernel keep fresh to themselves again, e.g. when an instance is
 * removed. An instance that still needs one notices and asks again.
 */
export function releaseNeighbours(netlink: Netlink): void {
  for (const neighbour of netlink.neighbours()) attempt(() => releaseNeighbour(netlink, neighbour));
}

function releaseNeighbour(netlink: Netlink, neighbour: NeighbourInfo): void {
  if (!neighbour.managed || neighbour.protocol !== WEIR_PROTOCOL) return;
  const { ifindex, address, mac } = neighbour;
  // A change without the flag takes it away; who still sends there has the entry confirmed.
  if (mac === undefined) netlink.deleteNeighbour({ ifindex, address });
  else netlink.setNeighbour({ ifindex, address, mac, state: "stale" });
}

/** The kernel's refusal of a question or a request means "no"; other errors pass through. */
function attempt<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof WeirError && error.code !== "EBADF" && error.code !== "EPERM") return undefined;
    throw error;
  }
}
