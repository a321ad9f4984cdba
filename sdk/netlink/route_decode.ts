// SPDX-License-Identifier: Apache-2.0
/** What a route message says (`struct rtmsg`, `linux/rtnetlink.h`). */

import type { Family } from "../address.ts";
import { AttributeTable } from "./attribute.ts";
import { ipFamily, LITTLE_ENDIAN } from "./constants.ts";
import { addressText } from "./ip.ts";
import type { NetlinkMessage } from "./message.ts";
import { decodeMultipath, decodeNextHop, type RouteNextHop, RTA_MULTIPATH, RTA_OIF } from "./route_nexthop.ts";
import { type Scope, scopeOf } from "./scope.ts";

/**
 * Bytes of `struct rtmsg`: u8 family, u8 destination length, u8 source length, u8 type of service, u8 table,
 * u8 protocol, u8 scope, u8 type, u32 flags.
 */
export const RTMSG_SIZE = 12;

export const RTA_DST = 1;
export const RTA_SRC = 2;
export const RTA_PRIORITY = 6;
export const RTA_PREFSRC = 7;
export const RTA_METRICS = 8;
export const RTA_TABLE = 15;
export const RTA_NH_ID = 30;

export const RTAX_MTU = 2;

/** A cached result, not an entry of a table. */
const RTM_F_CLONED = 0x200;

/** What becomes of a packet that the route matches; the index is the kernel's number (`RTN_*`). */
export const routeTypes = [
  "unspecified",
  "unicast",
  "local",
  "broadcast",
  "anycast",
  "multicast",
  "blackhole",
  "unreachable",
  "prohibit",
  "throw",
  "nat",
  "xresolve",
] as const;
export type RouteType = (typeof routeTypes)[number];

/** Who made a route (`RTPROT_*`): numbers with fixed meanings; routing daemons have their own. */
export const routeProtocols = {
  unspecified: 0,
  redirect: 1,
  kernel: 2,
  boot: 3,
  static: 4,
  ra: 9,
  zebra: 11,
  bird: 12,
  dhcp: 16,
  bgp: 186,
  isis: 187,
  ospf: 188,
} as const;

/** Numbers of the tables that every namespace has (`RT_TABLE_*`). */
export const routeTables = { default: 253, main: 254, local: 255 } as const;

/** A route of one of the kernel's tables. */
export interface RouteInfo {
  readonly family: Family;
  /** Always with its length: `10.0.0.0/8`, `0.0.0.0/0`, `::/0`. */
  readonly destination: string;
  readonly table: number;
  /** See {@link routeProtocols}. */
  readonly protocol: number;
  readonly scope: Scope;
  readonly type: RouteType;
  /** Of routes to the same destination the lowest is taken (iproute2's `metric`). */
  readonly priority: number;
  readonly preferredSource: string | undefined;
  /** One entry per path; empty where the type needs none. */
  readonly nextHops: readonly RouteNextHop[];
  /** Id of the kernel's nexthop object that the route refers to. */
  readonly nexthopId: number | undefined;
  /** Largest packet on this route, where it differs from the link's. */
  readonly mtu: number | undefined;
  /** All flags (`RTM_F_*`, `RTNH_F_*`). */
  readonly flags: number;
}

const attributes = new AttributeTable(RTA_NH_ID);
const metrics = new AttributeTable(RTAX_MTU);

/** Decodes any route message, also the answer to a lookup; `undefined` for families other than IP. */
export function decodeRouteAnswer(message: NetlinkMessage): RouteInfo | undefined {
  const { view, start } = message;
  const family = ipFamily(view.getUint8(start));
  if (family === undefined) return undefined;
  const flags = view.getUint32(start + 8, LITTLE_ENDIAN);
  const a = attributes.read(message, start + RTMSG_SIZE, message.end);
  const destination = a.bytes(RTA_DST);
  const any = family === 4 ? "0.0.0.0" : "::";
  const source = a.bytes(RTA_PREFSRC);
  return {
    family,
    destination: `${destination === undefined ? any : addressText(destination)}/${view.getUint8(start + 1)}`,
    table: a.u32(RTA_TABLE) ?? view.getUint8(start + 4),
    protocol: view.getUint8(start + 5),
    scope: scopeOf(view.getUint8(start + 6)),
    type: routeTypes[view.getUint8(start + 7)] ?? "unspecified",
    priority: a.u32(RTA_PRIORITY) ?? 0,
    preferredSource: source === undefined ? undefined : addressText(source),
    nextHops: nextHopsOf(message, a, flags),
    nexthopId: a.u32(RTA_NH_ID),
    mtu: a.nested(RTA_METRICS, metrics)?.u32(RTAX_MTU),
    flags,
  };
}

/** Decodes an `RTM_NEWROUTE` or `RTM_DELROUTE` message; `undefined` for cached results and families other than IP. */
export function decodeRoute(message: NetlinkMessage): RouteInfo | undefined {
  const flags = message.view.getUint32(message.start + 8, LITTLE_ENDIAN);
  return (flags & RTM_F_CLONED) !== 0 ? undefined : decodeRouteAnswer(message);
}

function nextHopsOf(message: NetlinkMessage, a: AttributeTable, flags: number): RouteNextHop[] {
  if (a.has(RTA_MULTIPATH)) return decodeMultipath(message, a.start(RTA_MULTIPATH), a.end(RTA_MULTIPATH));
  const hop = decodeNextHop(a, a.u32(RTA_OIF), flags);
  return hop.ifindex === undefined && hop.gateway === undefined ? [] : [hop];
}
