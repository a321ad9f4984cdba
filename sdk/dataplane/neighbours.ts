// SPDX-License-Identifier: Apache-2.0
/** MACs of the gateways behind fabric interfaces: the kernel asks for them, Weir listens. */
import { formatAddress, parseAddress, parseMac } from "../address.ts";
import type { NeighbourInfo, Netlink } from "../netlink/index.ts";

/** States in which an entry's MAC may be used (`NUD_VALID`, linux/neighbour.h). */
const USABLE: ReadonlySet<string> = new Set(["reachable", "stale", "delay", "probe", "noarp", "permanent"]);

const canonical = (address: string): string => {
  const parsed = parseAddress(address);
  return parsed === undefined ? address : formatAddress(parsed.bytes);
};

/** The kernel's neighbour table, for the gateways that next hops name. */
export class Neighbours {
  readonly #netlink: Netlink;
  /** Next hops that wait for or use a gateway, by interface index and address. */
  readonly #users = new Map<string, Set<string>>();

  constructor(netlink: Netlink) {
    this.#netlink = netlink;
  }

  /** The gateway's MAC if the kernel knows it; else it begins to ask. The kernel keeps the entry fresh. */
  resolve(nexthop: string, ifindex: number, gateway: string): Uint8Array | undefined {
    const key = `${ifindex} ${canonical(gateway)}`;
    const users = this.#users.get(key) ?? new Set();
    this.#users.set(key, users.add(nexthop));
    const known = usableMac(this.#netlink.neighbour(ifindex, gateway));
    if (known === undefined) this.#ask(ifindex, gateway);
    return known;
  }

  #ask(ifindex: number, address: string): void {
    this.#netlink.setNeighbour({ ifindex, address, resolve: true });
  }

  /** The next hop is no more, or leads elsewhere. */
  forget(nexthop: string): void {
    for (const [key, users] of this.#users) {
      if (users.delete(nexthop) && users.size === 0) this.#users.delete(key);
    }
  }

  /** Names of the next hops that use this entry. */
  users(neighbour: NeighbourInfo): ReadonlySet<string> {
    return this.#users.get(`${neighbour.ifindex} ${canonical(neighbour.address)}`) ?? new Set();
  }
}

/** The MAC of an entry that may be used. */
export function usableMac(neighbour: NeighbourInfo | undefined): Uint8Array | undefined {
  if (neighbour?.mac === undefined || !USABLE.has(neighbour.state)) return undefined;
  return parseMac(neighbour.mac);
}
