// SPDX-License-Identifier: Apache-2.0
/** Changes of the kernel's tables as they happen, over a multicast netlink socket. */

import { runtime } from "#runtime";
import { check, close, libc, SOCK_NONBLOCK, SOL_SOCKET, setsockopt } from "../runtime/libc.ts";
import type { NativeBuffer } from "../runtime/types.ts";
import { type AddressInfo, decodeAddress } from "./address.ts";
import { regionOf } from "./attribute.ts";
import {
  AF_UNSPEC,
  LITTLE_ENDIAN,
  NETLINK_ROUTE,
  NLM_F_APPEND,
  NLM_F_REPLACE,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELNEIGH,
  RTM_DELNEXTHOP,
  RTM_DELROUTE,
  RTM_DELRULE,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  RTM_NEWNEXTHOP,
  RTM_NEWROUTE,
  RTM_NEWRULE,
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_IPV4_RULE,
  RTNLGRP_IPV6_IFADDR,
  RTNLGRP_IPV6_ROUTE,
  RTNLGRP_IPV6_RULE,
  RTNLGRP_LINK,
  RTNLGRP_NEIGH,
  RTNLGRP_NEXTHOP,
} from "./constants.ts";
import { decodeLink, type LinkInfo } from "./link.ts";
import { forEachMessage, type NetlinkMessage } from "./message.ts";
import { decodeNeighbour, type NeighbourInfo } from "./neighbour.ts";
import { decodeNexthop, type NexthopInfo } from "./nexthop.ts";
import type { RouteMode } from "./route.ts";
import { decodeRoute, type RouteInfo } from "./route_decode.ts";
import { decodeRule, type RuleInfo } from "./rule.ts";
import { openNetlink, setNetlinkOption } from "./socket.ts";

const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_NO_ENOBUFS = 5;
const SO_RCVBUFFORCE = 33;
const SO_MEMINFO = 55;
/** `SO_MEMINFO` gives nine counters (`linux/sock_diag.h`); this one tells of datagrams that found no room. */
const MEMINFO_SIZE = 36;
const SK_MEMINFO_DROPS_OFFSET = 32;

/** Room for the events of some ten thousand changes while the event loop is busy elsewhere. */
const DEFAULT_BUFFER_BYTES = 8 * 1024 * 1024;

/** A table to watch. */
export type WatchGroup = "link" | "address" | "route" | "rule" | "nexthop" | "neighbour";

const groupNumbers: Readonly<Record<WatchGroup, readonly number[]>> = {
  link: [RTNLGRP_LINK],
  address: [RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR],
  route: [RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE],
  rule: [RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE],
  nexthop: [RTNLGRP_NEXTHOP],
  neighbour: [RTNLGRP_NEIGH],
};

/** `new` also stands for "changed". */
export type WatchChange = "new" | "delete";

/** One change; or `resynchronise`: changes were lost, so read the watched tables again. */
export type WatchEvent =
  | { readonly kind: "link"; readonly change: WatchChange; readonly link: LinkInfo }
  | { readonly kind: "address"; readonly change: WatchChange; readonly address: AddressInfo }
  /** `mode`: what became of routes that were there to the same destination with the same priority. */
  | { readonly kind: "route"; readonly change: "new"; readonly mode: RouteMode; readonly route: RouteInfo }
  | { readonly kind: "route"; readonly change: "delete"; readonly route: RouteInfo }
  | { readonly kind: "rule"; readonly change: WatchChange; readonly rule: RuleInfo }
  | { readonly kind: "nexthop"; readonly change: WatchChange; readonly nexthop: NexthopInfo }
  | { readonly kind: "neighbour"; readonly change: WatchChange; readonly neighbour: NeighbourInfo }
  | { readonly kind: "resynchronise"; readonly reason: string };

export type WatchListener = (event: WatchEvent) => void;

export interface WatchOptions {
  /** Room for events that wait for the event loop, in bytes of kernel memory. Default 8 MiB. */
  readonly bufferBytes?: number | undefined;
}

/**
 * Calls `listener` on the event loop with each change of the watched tables until disposed.
 * @param namespace descriptor of the namespace; owned by the watcher from now on
 *
 * Where the socket's buffer overflows the kernel drops events. What still waits is then older than a fresh
 * listing, and applying it afterwards would be wrong; so the watcher throws it away, subscribes anew and
 * tells the listener to `resynchronise`.
 */
export function watch(
  namespace: number,
  groups: readonly WatchGroup[],
  listener: WatchListener,
  o: WatchOptions = {},
): Disposable {
  try {
    return new Watcher(namespace, groups, listener, o);
  } catch (error) {
    close(namespace);
    throw error;
  }
}

class Watcher implements Disposable {
  readonly #groups: readonly WatchGroup[];
  readonly #listener: WatchListener;
  readonly #options: WatchOptions;
  readonly #counters: NativeBuffer = runtime.alloc(MEMINFO_SIZE);
  readonly #countersLength: NativeBuffer = runtime.alloc(4);
  readonly #namespace: number;
  #subscription: Disposable | undefined;

  constructor(namespace: number, groups: readonly WatchGroup[], listener: WatchListener, options: WatchOptions) {
    this.#namespace = namespace;
    this.#groups = groups;
    this.#listener = listener;
    this.#options = options;
    this.#subscription = this.#subscribe();
  }

  [Symbol.dispose](): void {
    if (this.#subscription === undefined) return;
    this.#subscription[Symbol.dispose]();
    this.#subscription = undefined;
    close(this.#namespace);
  }

  #subscribe(): Disposable {
    const fd = openNetlink(NETLINK_ROUTE, `/proc/self/fd/${this.#namespace}`, SOCK_NONBLOCK);
    try {
      const size = runtime.alloc(4);
      size.view.setUint32(0, this.#options.bufferBytes ?? DEFAULT_BUFFER_BYTES, LITTLE_ENDIAN);
      setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, size, "SO_RCVBUFFORCE");
      // Losses are read from a counter: an ENOBUFS would end the subscription in some runtimes and be eaten by others.
      setNetlinkOption(fd, NETLINK_NO_ENOBUFS, 1, "NETLINK_NO_ENOBUFS");
      for (const group of this.#groups) {
        for (const number of groupNumbers[group]) {
          setNetlinkOption(fd, NETLINK_ADD_MEMBERSHIP, number, "NETLINK_ADD_MEMBERSHIP");
        }
      }
    } catch (error) {
      close(fd);
      throw error;
    }
    const subscription = runtime.onDatagram(
      fd,
      (datagram) => {
        if (this.#subscription !== subscription) return;
        if (this.#lost(fd)) this.#resynchronise("the kernel dropped events because the socket's buffer was full");
        else this.#deliver(datagram);
      },
      (error) => {
        if (this.#subscription === subscription) this.#resynchronise(error.message);
      },
    );
    return subscription;
  }

  #resynchronise(reason: string): void {
    this.#subscription?.[Symbol.dispose]();
    this.#subscription = this.#subscribe();
    this.#listener({ kind: "resynchronise", reason });
  }

  /** Asked for each datagram: whatever was dropped, datagrams that waited at that time are delivered after it. */
  #lost(fd: number): boolean {
    this.#countersLength.view.setUint32(0, MEMINFO_SIZE, LITTLE_ENDIAN);
    const { address } = this.#counters;
    check(libc.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, address, this.#countersLength.address), "read SO_MEMINFO");
    return this.#counters.view.getUint32(SK_MEMINFO_DROPS_OFFSET, LITTLE_ENDIAN) !== 0;
  }

  #deliver(datagram: Uint8Array): void {
    forEachMessage(regionOf(datagram), datagram.byteLength, (message) => {
      const event = decodeEvent(message);
      if (event !== undefined) this.#listener(event);
      // The listener may have disposed the watcher.
      return this.#subscription !== undefined;
    });
  }
}

function decodeEvent(message: NetlinkMessage): WatchEvent | undefined {
  switch (message.type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      // Bridges tell of their ports in the same way: a port that leaves is "deleted".
      if (message.view.getUint8(message.start) !== AF_UNSPEC) return undefined;
      return { kind: "link", change: changeOf(message, RTM_NEWLINK), link: decodeLink(message) };
    case RTM_NEWADDR:
    case RTM_DELADDR: {
      const address = decodeAddress(message);
      return address && { kind: "address", change: changeOf(message, RTM_NEWADDR), address };
    }
    case RTM_NEWROUTE: {
      const route = decodeRoute(message);
      return route && { kind: "route", change: "new", mode: modeOf(message.flags), route };
    }
    case RTM_DELROUTE: {
      const route = decodeRoute(message);
      return route && { kind: "route", change: "delete", route };
    }
    case RTM_NEWRULE:
    case RTM_DELRULE: {
      const rule = decodeRule(message);
      return rule && { kind: "rule", change: changeOf(message, RTM_NEWRULE), rule };
    }
    case RTM_NEWNEXTHOP:
    case RTM_DELNEXTHOP:
      return { kind: "nexthop", change: changeOf(message, RTM_NEWNEXTHOP), nexthop: decodeNexthop(message) };
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: {
      const neighbour = decodeNeighbour(message);
      return neighbour?.proxy === false
        ? { kind: "neighbour", change: changeOf(message, RTM_NEWNEIGH), neighbour }
        : undefined;
    }
    default:
      return undefined;
  }
}

function modeOf(flags: number): RouteMode {
  if ((flags & NLM_F_REPLACE) !== 0) return "replace";
  return (flags & NLM_F_APPEND) !== 0 ? "append" : "create";
}

function changeOf(message: NetlinkMessage, newType: number): WatchChange {
  return message.type === newType ? "new" : "delete";
}
