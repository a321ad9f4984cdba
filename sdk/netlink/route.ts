// SPDX-License-Identifier: Apache-2.0
/** Routes: list, look up as the kernel would, add, delete (`linux/rtnetlink.h`). */

import type { Family } from "../address.ts";
import { WeirError } from "../errors.ts";
import { errnoError } from "../runtime/errno.ts";
import {
  familyNumber,
  LITTLE_ENDIAN,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  RTM_DELROUTE,
  RTM_GETROUTE,
  RTM_NEWROUTE,
} from "./constants.ts";
import { type WirePrefix, wireAddress, wirePrefix } from "./ip.ts";
import type { MessageWriter, NetlinkMessage } from "./message.ts";
import {
  decodeRoute,
  decodeRouteAnswer,
  type RouteInfo,
  type RouteType,
  RTA_DST,
  RTA_METRICS,
  RTA_NH_ID,
  RTA_PREFSRC,
  RTA_PRIORITY,
  RTA_SRC,
  RTA_TABLE,
  RTMSG_SIZE,
  routeProtocols,
  routeTables,
  routeTypes,
} from "./route_decode.ts";
import { type RouteMetrics, writeMetrics } from "./route_metrics.ts";
import { nextHopFlags, type RouteNextHopSpec, RTA_OIF, writeMultipath, writeNextHop } from "./route_nexthop.ts";
import { type Scope, scopeNumber } from "./scope.ts";
import type { NetlinkSocket } from "./socket.ts";

/** Of lookups only. */
const RTA_IIF = 3;
const RTA_MARK = 16;

/** The table's number does not fit in the header's one byte; the attribute has it. */
const RT_TABLE_COMPAT = 252;
/** Answer with the route that matched, not with the resulting path (`RTM_F_FIB_MATCH`). */
const RTM_F_FIB_MATCH = 0x2000;

/** A route to be added or deleted. Either `ifindex`/`gateway` (one way), `nextHops` (several) or `nexthopId`. */
export interface RouteSpec extends RouteNextHopSpec {
  /** `10.0.0.0/8`, `::/0`; without a length the address alone. */
  readonly destination: string;
  readonly nextHops?: readonly RouteNextHopSpec[] | undefined;
  /** Id of a nexthop object of the kernel. */
  readonly nexthopId?: number | undefined;
  /** Default 254, the main table. */
  readonly table?: number | undefined;
  /** Default `static` for additions, any for deletions. See {@link routeProtocols}. */
  readonly protocol?: number | undefined;
  /** Default as iproute2: `host` for local routes, `link` for IPv4 routes without gateway, else `universe`. */
  readonly scope?: Scope | undefined;
  /** Default `unicast`. */
  readonly type?: RouteType | undefined;
  /** Metric. Default 0 for IPv4, 1024 for IPv6 (the kernel's). */
  readonly priority?: number | undefined;
  readonly preferredSource?: string | undefined;
  /** Largest packet on this route, in bytes. */
  readonly mtu?: number | undefined;
  /** What the route tells connections besides `mtu`. */
  readonly metrics?: RouteMetrics | undefined;
  /** IPv6: prefix that the packets must come from. Default: any. */
  readonly source?: string | undefined;
  /** IPv4: DSCP as the upper six bits of one byte, that the packets must have. Default 0: any. */
  readonly typeOfService?: number | undefined;
}

/**
 * What to do about a route to the same destination with the same priority: `create` fails with `EEXIST`,
 * `replace` changes it, `append` puts the new one behind it.
 */
export type RouteMode = "create" | "replace" | "append";

/** Which routes to list; all fields must match. The kernel filters. */
export interface RouteFilter {
  readonly family?: Family | undefined;
  readonly table?: number | undefined;
  readonly ifindex?: number | undefined;
  readonly protocol?: number | undefined;
  readonly type?: RouteType | undefined;
}

/** Circumstances of a lookup. */
export interface RouteLookup {
  /** Source address of the packet. */
  readonly source?: string | undefined;
  /** Index of the link that it must leave by, or of the VRF device to look in. */
  readonly ifindex?: number | undefined;
  /** Index of the link that it came in by; the answer is then that for a packet that is forwarded. Needs `source`. */
  readonly inputIfindex?: number | undefined;
  /** Mark of the packet, which rules may match. */
  readonly mark?: number | undefined;
  /** Give the table's entry that matched instead of the path to this one address. Default false. */
  readonly entry?: boolean | undefined;
}

/** "Network is unreachable". */
const ENETUNREACH = 101;

const families: readonly Family[] = [4, 6];

/** The routes of the namespace that match, all tables unless one is given. */
export function listRoutes(socket: NetlinkSocket, filter: RouteFilter = {}): RouteInfo[] {
  const wanted = filter.family === undefined ? families : [filter.family];
  return wanted.flatMap((family) => {
    let routes: RouteInfo[] = [];
    visitRoutes(socket, { ...filter, family }, () => {
      routes = [];
      return (route) => routes.push(route);
    });
    return routes;
  });
}

/** Which routes of a family are meant, and who takes them. */
type VisitedRoutes = RouteFilter & { readonly family: Family };

/**
 * Visits the routes of one family without making a list of them.
 * @param begin as in `NetlinkSocket.visit`
 */
export function visitRoutes(
  socket: NetlinkSocket,
  filter: VisitedRoutes,
  begin: () => (route: RouteInfo) => void,
): void {
  try {
    socket.visit(LIST, RTM_GETROUTE, (writer) => writeFilter(writer, filter), decoded(begin));
  } catch (error) {
    if (!isMissingTable(error, filter)) throw error;
  }
}

/** The same, some routes at each turn; see `NetlinkSocket.walk`. */
export function* walkRoutes(
  socket: NetlinkSocket,
  filter: VisitedRoutes,
  begin: () => (route: RouteInfo) => void,
): Generator<void> {
  try {
    yield* socket.walk(LIST, RTM_GETROUTE, (writer) => writeFilter(writer, filter), decoded(begin));
  } catch (error) {
    if (!isMissingTable(error, filter)) throw error;
  }
}

const LIST = "list routes";

function writeFilter(writer: MessageWriter, { family, protocol, type, table, ifindex }: VisitedRoutes): void {
  const header = writer.reserve(RTMSG_SIZE);
  writer.view.setUint8(header, familyNumber(family));
  if (protocol !== undefined) writer.view.setUint8(header + 5, protocol);
  if (type !== undefined) writer.view.setUint8(header + 7, routeTypes.indexOf(type));
  if (table !== undefined) writer.u32(RTA_TABLE, table);
  if (ifindex !== undefined) writer.u32(RTA_OIF, ifindex);
}

const decoded = (begin: () => (route: RouteInfo) => void) => () => {
  const visitor = begin();
  return (message: NetlinkMessage) => {
    const route = decodeRoute(message);
    if (route !== undefined) visitor(route);
  };
};

/** A table exists from its first route on, separately for each family. */
const isMissingTable = (error: unknown, { table }: RouteFilter): boolean =>
  error instanceof WeirError && error.code === "ENOENT" && table !== undefined;

/** Where the kernel would send a packet (`ip route get`). @throws WeirError `ENETUNREACH`, `EHOSTUNREACH`, `EACCES` */
export function lookupRoute(socket: NetlinkSocket, address: string, o: RouteLookup = {}): RouteInfo {
  const operation = `look up the route to ${address}`;
  const destination = wireAddress(address);
  const bits = destination.bytes.byteLength * 8;
  let result: RouteInfo | undefined;
  socket.request(
    operation,
    RTM_GETROUTE,
    0,
    (writer) => {
      const header = writer.reserve(RTMSG_SIZE);
      writer.view.setUint8(header, familyNumber(destination.family));
      writer.view.setUint8(header + 1, bits);
      if (o.source !== undefined) writer.view.setUint8(header + 2, bits);
      writer.view.setUint32(header + 8, o.entry === true ? RTM_F_FIB_MATCH : 0, LITTLE_ENDIAN);
      writer.bytes(RTA_DST, destination.bytes);
      if (o.source !== undefined) writer.bytes(RTA_SRC, wireAddress(o.source).bytes);
      if (o.ifindex !== undefined) writer.u32(RTA_OIF, o.ifindex);
      if (o.inputIfindex !== undefined) writer.u32(RTA_IIF, o.inputIfindex);
      if (o.mark !== undefined) writer.u32(RTA_MARK, o.mark);
    },
    (message) => {
      result = decodeRouteAnswer(message);
    },
  );
  if (result !== undefined) return result;
  throw errnoError(ENETUNREACH, operation);
}

const modeFlags: Readonly<Record<RouteMode, number>> = {
  create: NLM_F_CREATE | NLM_F_EXCL,
  replace: NLM_F_CREATE | NLM_F_REPLACE,
  append: NLM_F_CREATE | NLM_F_APPEND,
};

const modeVerbs: Readonly<Record<RouteMode, string>> = { create: "add", replace: "replace", append: "append" };

/** Adds a route. @throws WeirError `EEXIST`, `ENETUNREACH` (the gateway is not on a link), `ENODEV` */
export function addRoute(socket: NetlinkSocket, spec: RouteSpec, mode: RouteMode = "create"): void {
  socket.request(`${modeVerbs[mode]} route ${spec.destination}`, RTM_NEWROUTE, modeFlags[mode], (writer) =>
    writeRoute(writer, spec, {
      protocol: spec.protocol ?? routeProtocols.static,
      scope: spec.scope ?? defaultScope(spec),
      type: spec.type ?? "unicast",
    }),
  );
}

/** Deletes the first route that has all given properties. @throws WeirError `ESRCH` if there is none */
export function deleteRoute(socket: NetlinkSocket, spec: RouteSpec): void {
  socket.request(`delete route ${spec.destination}`, RTM_DELROUTE, 0, (writer) =>
    writeRoute(writer, spec, {
      protocol: spec.protocol ?? routeProtocols.unspecified,
      // The kernel takes "nowhere" and "unspecified" for "any".
      scope: spec.scope ?? "nowhere",
      type: spec.type ?? "unspecified",
    }),
  );
}

function defaultScope(spec: RouteSpec): Scope {
  if (wirePrefix(spec.destination).family === 6) return "universe";
  const type = spec.type ?? "unicast";
  if (type === "local" || type === "nat") return "host";
  if (type === "broadcast" || type === "multicast" || type === "anycast") return "link";
  const hops = spec.nextHops ?? [spec];
  const direct = hops.every((hop) => hop.gateway === undefined) && hops.some((hop) => hop.ifindex !== undefined);
  return type === "unicast" && direct && spec.nexthopId === undefined ? "link" : "universe";
}

function writeRoute(
  writer: MessageWriter,
  spec: RouteSpec,
  o: { readonly protocol: number; readonly scope: Scope; readonly type: RouteType },
): void {
  const destination: WirePrefix = wirePrefix(spec.destination);
  const table = spec.table ?? routeTables.main;
  const header = writer.reserve(RTMSG_SIZE);
  const { view } = writer;
  view.setUint8(header, familyNumber(destination.family));
  view.setUint8(header + 1, destination.length);
  const source = spec.source === undefined ? undefined : wirePrefix(spec.source);
  view.setUint8(header + 2, source?.length ?? 0);
  view.setUint8(header + 3, spec.typeOfService ?? 0);
  view.setUint8(header + 4, table < 256 ? table : RT_TABLE_COMPAT);
  view.setUint8(header + 5, o.protocol);
  view.setUint8(header + 6, scopeNumber(o.scope));
  view.setUint8(header + 7, routeTypes.indexOf(o.type));
  if (destination.length > 0) writer.bytes(RTA_DST, destination.bytes);
  if (source !== undefined) writer.bytes(RTA_SRC, source.bytes);
  if (table >= 256) writer.u32(RTA_TABLE, table);
  if (spec.priority !== undefined) writer.u32(RTA_PRIORITY, spec.priority);
  if (spec.preferredSource !== undefined) writer.bytes(RTA_PREFSRC, wireAddress(spec.preferredSource).bytes);
  writeMetrics(writer, RTA_METRICS, spec.mtu === undefined ? (spec.metrics ?? {}) : { ...spec.metrics, mtu: spec.mtu });
  if (spec.nexthopId !== undefined) writer.u32(RTA_NH_ID, spec.nexthopId);
  if (spec.nextHops !== undefined) {
    writeMultipath(writer, spec.nextHops, destination);
  } else {
    view.setUint32(header + 8, nextHopFlags(spec), LITTLE_ENDIAN);
    writeNextHop(writer, spec, destination);
  }
}
