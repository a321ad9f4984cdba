// SPDX-License-Identifier: Apache-2.0
/** Longer packets than the kernel's default on both ends of veths (BIG TCP), and their restoration. */
import { WeirError } from "../../errors.ts";
import {
  DEFAULT_PACKET_LIMIT,
  type LinkInfo,
  Netlink,
  type PacketLimitChange,
  type PacketLimitName,
  type PacketLimits,
  packetLimitNames,
} from "../../netlink/index.ts";
import type { Store } from "../../store/index.ts";
import { sameValue } from "../state/desired.ts";
import { SavedSettings, unlessGone } from "./saved_settings.ts";

/** Bytes of the longest packets, by address family. */
export interface LongestPackets {
  readonly ipv4: number;
  readonly ipv6: number;
}

/** Where the two ends of a veth are. */
export interface VethEnds {
  /** Index of the node's end, in the namespace that the thread is in. */
  readonly ifindex: number;
  readonly peerIndex: number;
  /** Namespace of the peer; `undefined`: the one that the thread is in. */
  readonly netns: string | undefined;
}

interface Saved {
  readonly longest: LongestPackets;
  readonly at: VethEnds;
  /** What came of it, within what kernel and drivers take. */
  readonly inForce: LongestPackets;
  readonly ends: readonly SavedEnd[];
}

interface SavedEnd {
  /** Name or path; absent: the node's own. */
  readonly netns?: string | undefined;
  readonly device: string;
  /** The limits that were changed, as they were. */
  readonly limits: PacketLimitChange;
}

/** Raises the limits of veths and remembers how they were. */
export class RaisedPacketLimits {
  readonly #saved: SavedSettings<Saved>;
  /** What this process has set: an earlier one's devices may be gone, and others be in their place. */
  readonly #done = new Map<string, string>();

  constructor(store: Store) {
    this.#saved = new SavedSettings(store, "packet-limits");
  }

  /** What an interface's veth was raised to; `undefined`: nothing was changed. */
  longest(name: string): LongestPackets | undefined {
    return this.#saved.get(name)?.longest;
  }

  /** What the veth takes since. */
  inForce(name: string): LongestPackets | undefined {
    return this.#saved.get(name)?.inForce;
  }

  /** Interfaces whose veth was raised. */
  names(): string[] {
    return this.#saved.names();
  }

  /** Whether this process has done that already. */
  isSet(name: string, longest: LongestPackets, at: VethEnds): boolean {
    return this.#done.get(name) === keyOf(longest, at);
  }

  /**
   * Raises the limits of both ends; what is higher already stays, and so does what the kernel does not have.
   * @throws WeirError when the namespace or an end is not there.
   */
  set(name: string, longest: LongestPackets, at: VethEnds): void {
    if (this.isSet(name, longest, at)) return;
    const saved = this.#saved.get(name);
    const same = saved !== undefined && sameValue([saved.longest, saved.at], [longest, at]);
    if (!same) this.restore(name);
    using here = Netlink.open();
    using there = Netlink.open({ netns: at.netns });
    const ends = [
      { netlink: here, netns: undefined, link: required(name, here.link(at.ifindex)) },
      { netlink: there, netns: at.netns, link: required(name, there.link(at.peerIndex)) },
    ].map((end) => ({ ...end, change: {} as PacketLimitChange }));
    const driver = Math.min(...ends.map(({ link }) => link.packetLimits.driver));
    for (const end of ends) end.change = raise(end.link.packetLimits, longest, driver);
    this.#saved.set(name, {
      longest,
      at,
      inForce: lowest(ends.map(({ link, change }) => within(link.packetLimits, change))),
      ends: ends.map(({ netns, link, change }, i) => ({
        netns,
        device: link.name,
        limits: { ...(same ? saved.ends[i]?.limits : {}), ...replaced(link.packetLimits, change) },
      })),
    });
    for (const { netlink, link, change } of ends) netlink.setLink(link.index, { packetLimits: change });
    this.#done.set(name, keyOf(longest, at));
  }

  /** Puts both ends back to how they were. */
  restore(name: string): void {
    this.#done.delete(name);
    for (const { netns, device, limits } of this.#saved.get(name)?.ends ?? []) {
      unlessGone(() => {
        using netlink = Netlink.open({ netns });
        const now = netlink.link(device)?.packetLimits;
        // A small `gso` takes the one for IPv4 with it, which may have been higher.
        if (now !== undefined) netlink.setLink(device, { packetLimits: { gsoIpv4: now.gsoIpv4, ...limits } });
      });
    }
    this.#saved.delete(name);
  }

  restoreAll(): void {
    for (const name of this.#saved.names()) this.restore(name);
  }
}

const keyOf = (longest: LongestPackets, at: VethEnds): string => JSON.stringify([longest, at]);

function required(name: string, link: LinkInfo | undefined): LinkInfo {
  if (link !== undefined) return link;
  const operation = `raise the packet limits of interface "${name}"`;
  throw new WeirError({ code: "ENODEV", operation, reason: "an end of its veth is gone" });
}

/** What is to be changed, within what the drivers take. */
function raise(now: PacketLimits, longest: LongestPackets, driver: number): PacketLimitChange {
  const change: Partial<Record<PacketLimitName, number>> = {};
  for (const limit of packetLimitNames) {
    const wanted = Math.min(limit.endsWith("Ipv4") ? longest.ipv4 : longest.ipv6, driver);
    const bytes = now[limit];
    if (bytes !== undefined && bytes < wanted) change[limit] = wanted;
  }
  return change;
}

/** The limits that a change replaces. */
function replaced(now: PacketLimits, change: PacketLimitChange): PacketLimitChange {
  return Object.fromEntries(packetLimitNames.filter((limit) => limit in change).map((limit) => [limit, now[limit]]));
}

function within(now: PacketLimits, change: PacketLimitChange): LongestPackets {
  return { ipv4: change.gsoIpv4 ?? now.gsoIpv4 ?? DEFAULT_PACKET_LIMIT, ipv6: change.gso ?? now.gso };
}

/** What all ends take. */
function lowest(ends: readonly LongestPackets[]): LongestPackets {
  return { ipv4: Math.min(...ends.map(({ ipv4 }) => ipv4)), ipv6: Math.min(...ends.map(({ ipv6 }) => ipv6)) };
}
