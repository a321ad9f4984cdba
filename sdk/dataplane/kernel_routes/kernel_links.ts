// SPDX-License-Identifier: Apache-2.0
/** The kernel's links, nexthop objects and neighbours, as far as routes need to know of them. */
import type { LinkInfo, NeighbourInfo, Netlink, NexthopInfo, WatchEvent } from "../../netlink/index.ts";
import type { KernelWay } from "./kernel_way.ts";

interface Link {
  readonly name: string;
  readonly up: boolean;
}

/** Followed by events; listed anew when events were lost. */
export class KernelLinks {
  readonly #links = new Map<number, Link>();
  readonly #nexthops = new Map<number, NexthopInfo>();
  /** MACs that a control plane entered, by device and address. */
  readonly #routerMacs = new Map<string, string>();

  /** Reads the tables. */
  relist(netlink: Netlink): void {
    this.#routerMacs.clear();
    for (const neighbour of netlink.neighbours()) this.#noteNeighbour("new", neighbour);
    this.#links.clear();
    for (const link of netlink.links()) this.#links.set(link.index, linkOf(link));
    this.#nexthops.clear();
    for (const nexthop of netlink.nexthops()) this.#nexthops.set(nexthop.id, nexthop);
  }

  isUp(ifindex: number): boolean {
    return this.#links.get(ifindex)?.up === true;
  }

  nameOf(ifindex: number): string | undefined {
    return this.#links.get(ifindex)?.name;
  }

  nexthop(id: number): NexthopInfo | undefined {
    return this.#nexthops.get(id);
  }

  /** @returns true if the link is down from now on, so that the kernel takes away what leads over it */
  linkChanged(event: Extract<WatchEvent, { kind: "link" }>): boolean {
    const { index } = event.link;
    const wasUp = this.isUp(index);
    if (event.change === "delete") this.#links.delete(index);
    else this.#links.set(index, linkOf(event.link));
    if (!wasUp || this.isUp(index)) return false;
    // Nexthop objects over it go without a word, and leave their groups.
    for (const { id, ifindex } of [...this.#nexthops.values()]) if (ifindex === index) this.#removeNexthop(id);
    return true;
  }

  nexthopChanged(event: Extract<WatchEvent, { kind: "nexthop" }>): void {
    if (event.change === "new") this.#nexthops.set(event.nexthop.id, event.nexthop);
    else this.#removeNexthop(event.nexthop.id);
  }

  /** The MAC that a control plane has entered for a neighbour. */
  routerMac(ifindex: number, address: string): string | undefined {
    return this.#routerMacs.get(`${ifindex} ${address}`);
  }

  /** @returns whether what {@link routerMac} tells is another than before */
  neighbourChanged({ change, neighbour }: Extract<WatchEvent, { kind: "neighbour" }>): boolean {
    return this.#noteNeighbour(change, neighbour);
  }

  #noteNeighbour(change: "new" | "delete", neighbour: NeighbourInfo): boolean {
    const key = `${neighbour.ifindex} ${neighbour.address}`;
    const mac = change === "new" && neighbour.externallyLearned ? neighbour.mac : undefined;
    if (mac === this.#routerMacs.get(key)) return false;
    if (mac === undefined) this.#routerMacs.delete(key);
    else this.#routerMacs.set(key, mac);
    return true;
  }

  #removeNexthop(id: number): void {
    this.#nexthops.delete(id);
    for (const group of this.#nexthops.values()) {
      if (group.members?.some((member) => member.id === id) !== true) continue;
      const members = group.members.filter((member) => member.id !== id);
      if (members.length === 0) this.#nexthops.delete(group.id);
      else this.#nexthops.set(group.id, { ...group, members });
    }
  }

  /** True of a way whose routes the kernel has taken away without telling: all that it leads over is down or gone. */
  isLost({ hops, nexthopId }: KernelWay): boolean {
    if (nexthopId !== undefined) return !this.#nexthops.has(nexthopId);
    const over = hops.flatMap(({ ifindex }) => ifindex ?? []);
    return over.length > 0 && over.every((ifindex) => !this.isUp(ifindex));
  }
}

const linkOf = ({ name, up }: LinkInfo): Link => ({ name, up });
