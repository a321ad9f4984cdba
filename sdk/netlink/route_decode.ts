// SPDX-License-Identifier: Apache-2.0
/** What a route message says (`struct rtmsg`, `linux/rtnetlink.h`). */

import type { Family } from "../address.ts";
import { AttributeTable } from "./attribute.ts";
import { ipFamily, LITTLE_ENDIAN } from "./constants.ts";
import { addressText } from "./ip.ts";
import type { NetlinkMessage } from "./message.ts";
import { decodeMetrics, type RouteMetrics } from "./route_metrics.ts";
import {
  decodeMultipath,
  decodeNextHop,
  HOP_ATTRIBUTES,
  type RouteNextHop,
  RTA_MULTIPATH,
  RTA_OIF,
} from "./route_nexthop.ts";
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
const RTA_PREF = 20;
export const RTA_NH_ID = 30;

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
  /** Weir's own. */
  weir: 87,
  bgp: 186,
  isis: 187,
  ospf: 188,
} as const;

/** Numbers of the tables that every namespace has (`RT_TABLE_*`). */
export const routeTables = { default: 253, main: 254, local: 255 } as const;

/** Which of several routers IPv6 prefers (RFC 4191 section 2.1); the index is the kernel's number. */
const preferences = ["medium", "high", "invalid", "low"] as const;
export type RouterPreference = (typeof preferences)[number];

/** A route of one of the kernel's tables. */
export interface RouteInfo {
  readonly family: Family;
  /** Always with its length: `10.0.0.0/8`, `0.0.0.0/0`, `::/0`. */
  readonly destination: string;
  /** IPv6: prefix that the packets must come from; `undefined`: any. */
  readonly source: string | undefined;
  /** IPv4: DSCP and ECN as one byte that the packets must have; 0: any. */
  readonly typeOfService: number;
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
  /** IPv6: `undefined` for IPv4. */
  readonly preference: RouterPreference | undefined;
  /** Largest packet on this route, where it differs from the link's. */
  readonly mtu: number | undefined;
  /** All that the route tells connections, `mtu` too. */
  readonly metrics: RouteMetrics;
  /** All flags (`RTM_F_*`, `RTNH_F_*`). */
  readonly flags: number;
}

const attributes = new AttributeTable(Math.max(RTA_NH_ID, HOP_ATTRIBUTES));

/** Decodes any route message, also the answer to a lookup; `undefined` for families other than IP. */
export function decodeRouteAnswer(message: NetlinkMessage): RouteInfo | undefined {
  const { view, start } = message;
  const family = ipFamily(view.getUint8(start));
  if (family === undefined) return undefined;
  const flags = view.getUint32(start + 8, LITTLE_ENDIAN);
  const a = attributes.read(message, start + RTMSG_SIZE, message.end);
  const destination = a.bytes(RTA_DST);
  const any = family === 4 ? "0.0.0.0" : "::";
  const from = a.bytes(RTA_SRC);
  const source = a.bytes(RTA_PREFSRC);
  const preference = a.u8(RTA_PREF);
  const metrics = decodeMetrics(a, RTA_METRICS);
  return {
    family,
    destination: `${destination === undefined ? any : addressText(destination)}/${view.getUint8(start + 1)}`,
    source: from === undefined ? undefined : `${addressText(from)}/${view.getUint8(start + 2)}`,
    typeOfService: view.getUint8(start + 3),
    table: a.u32(RTA_TABLE) ?? view.getUint8(start + 4),
    protocol: view.getUint8(start + 5),
    scope: scopeOf(view.getUint8(start + 6)),
    type: routeTypes[view.getUint8(start + 7)] ?? "unspecified",
    priority: a.u32(RTA_PRIORITY) ?? 0,
    preferredSource: source === undefined ? undefined : addressText(source),
    nextHops: nextHopsOf(message, a, flags),
    nexthopId: a.u32(RTA_NH_ID),
    preference: preference === undefined ? undefined : preferences[preference],
    mtu: metrics.mtu,
    metrics,
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
