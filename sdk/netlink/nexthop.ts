// SPDX-License-Identifier: Apache-2.0
/** Nexthop objects, which routes can refer to by id instead of naming links and gateways (`linux/nexthop.h`). */

import type { Family } from "../address.ts";
import { WeirError } from "../errors.ts";
import { AttributeTable } from "./attribute.ts";
import {
  AF_UNSPEC,
  familyNumber,
  ipFamily,
  LITTLE_ENDIAN,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  RTM_DELNEXTHOP,
  RTM_GETNEXTHOP,
  RTM_NEWNEXTHOP,
} from "./constants.ts";
import { addressText, wireAddress } from "./ip.ts";
import type { MessageWriter, NetlinkMessage } from "./message.ts";
import { routeProtocols } from "./route_decode.ts";
import { decodeEncap, type MplsEncap, type RouteEncap, writeMplsEncap } from "./route_encap.ts";
import { RTNH_F_DEAD, RTNH_F_LINKDOWN, RTNH_F_ONLINK } from "./route_nexthop.ts";
import type { NetlinkSocket } from "./socket.ts";

/** Bytes of `struct nhmsg`: u8 family, u8 scope, u8 protocol, u8, u32 flags. */
const NHMSG_SIZE = 8;

const NHA_ID = 1;
const NHA_GROUP = 2;
const NHA_GROUP_TYPE = 3;
const NHA_BLACKHOLE = 4;
const NHA_OIF = 5;
const NHA_GATEWAY = 6;
const NHA_ENCAP_TYPE = 7;
const NHA_ENCAP = 8;
const NHA_GROUPS = 9;
const NHA_MASTER = 10;
const NHA_FDB = 11;
const NHA_RES_GROUP = 12;

/** Attributes nested in `NHA_RES_GROUP`; times in units of 10 ms (`USER_HZ`). */
const NHA_RES_GROUP_BUCKETS = 1;
const NHA_RES_GROUP_IDLE_TIMER = 2;
const NHA_RES_GROUP_UNBALANCED_TIMER = 3;
const TICKS_PER_SECOND = 100;

/** Bytes of `struct nexthop_grp`: u32 id, u8 weight - 1, u8 its high byte (0 before Linux 6.12), u16. */
const GROUP_ENTRY_SIZE = 8;

/** How a group spreads flows; the index is the kernel's number (`NEXTHOP_GRP_TYPE_*`). */
const groupTypes = ["multipath", "resilient"] as const;
export type NexthopGroupType = (typeof groupTypes)[number];

/** A member of a group. */
export interface NexthopMember {
  /** Id of a nexthop object that is no group. */
  readonly id: number;
  /** Share of the traffic relative to the other members, 1 to 65536. */
  readonly weight: number;
}

/** How a resilient group keeps flows where they are. */
export interface ResilientGroup {
  /** Number of buckets that flows are spread over, a power of two is best. */
  readonly buckets: number;
  /** A bucket without packets for this long may change its member. 0: at once. */
  readonly idleSeconds: number;
  /** After this long out of balance buckets change in any case; 0: never. */
  readonly unbalancedSeconds: number;
}

/** A nexthop object: one way out, a blackhole, or a group of others. */
export interface NexthopInfo {
  /** From 1. */
  readonly id: number;
  /** Of the gateway; `undefined` for groups, whose members may differ. */
  readonly family: Family | undefined;
  /** Index of the link; `undefined` for groups and blackholes. */
  readonly ifindex: number | undefined;
  /** `undefined` if destinations are on the link. */
  readonly gateway: string | undefined;
  /** Members of a group; `undefined` for others. */
  readonly members: readonly NexthopMember[] | undefined;
  /** `undefined` where it is no group. */
  readonly groupType: NexthopGroupType | undefined;
  /** `undefined` where it is no resilient group. */
  readonly resilient: ResilientGroup | undefined;
  /** Packets are dropped without a word. */
  readonly blackhole: boolean;
  /** For bridge entries of a VXLAN device, not for routes. */
  readonly fdb: boolean;
  readonly onlink: boolean;
  /** The link is down or gone. */
  readonly dead: boolean;
  /** The link has no carrier. */
  readonly linkDown: boolean;
  /** Kind of lightweight tunnel that packets enter (`LWTUNNEL_ENCAP_*`); 0 for none. */
  readonly encapType: number;
  /** That tunnel; `undefined` where there is none, or of a kind that is not decoded. */
  readonly encap: RouteEncap | undefined;
  /** Who made it (`RTPROT_*`, see `routeProtocols`). */
  readonly protocol: number;
}

/** Which objects to list; all fields must match. The kernel filters. */
export interface NexthopFilter {
  /** Index of the link that they use. Groups do not match. */
  readonly ifindex?: number | undefined;
  /** Index of the VRF device or bridge that the link belongs to. */
  readonly master?: number | undefined;
  /** Groups only. Default false. */
  readonly groups?: boolean | undefined;
  readonly family?: Family | undefined;
}

/** A nexthop object to be made: one way out (`ifindex`, `gateway`), a `blackhole`, or a group (`members`). */
export interface NexthopSpec {
  /** From 1 to 2^32 - 1. */
  readonly id: number;
  /** Family of the routes; needed for a way out without gateway. Default: the gateway's, else IPv4. */
  readonly family?: Family | undefined;
  readonly ifindex?: number | undefined;
  readonly gateway?: string | undefined;
  /** Take the gateway to be on the link. Default false. */
  readonly onlink?: boolean | undefined;
  /** Labels that packets get. */
  readonly encap?: MplsEncap | undefined;
  readonly blackhole?: boolean | undefined;
  /** For bridge entries of a VXLAN device. Default false. */
  readonly fdb?: boolean | undefined;
  readonly members?: readonly NexthopMember[] | undefined;
  /** Makes the group a resilient one; what is left out is the kernel's default. */
  readonly resilient?: Partial<ResilientGroup> | undefined;
  /** Default `static`. See `routeProtocols`. */
  readonly protocol?: number | undefined;
}

const attributes = new AttributeTable(NHA_RES_GROUP);
const resilientAttributes = new AttributeTable(NHA_RES_GROUP_UNBALANCED_TIMER);

/** Decodes an `RTM_NEWNEXTHOP` or `RTM_DELNEXTHOP` message. */
export function decodeNexthop(message: NetlinkMessage): NexthopInfo {
  const { view, start } = message;
  const flags = view.getUint32(start + 4, LITTLE_ENDIAN);
  const a = attributes.read(message, start + NHMSG_SIZE, message.end);
  const gateway = a.bytes(NHA_GATEWAY);
  const members = a.has(NHA_GROUP) ? membersOf(message, a.start(NHA_GROUP), a.end(NHA_GROUP)) : undefined;
  const encapType = a.u16(NHA_ENCAP_TYPE) ?? 0;
  return {
    id: a.u32(NHA_ID) ?? 0,
    family: ipFamily(view.getUint8(start)),
    ifindex: a.u32(NHA_OIF),
    gateway: gateway === undefined ? undefined : addressText(gateway),
    members,
    groupType: members === undefined ? undefined : groupTypes[a.u16(NHA_GROUP_TYPE) ?? 0],
    resilient: resilientOf(a),
    blackhole: a.has(NHA_BLACKHOLE),
    fdb: a.has(NHA_FDB),
    onlink: (flags & RTNH_F_ONLINK) !== 0,
    dead: (flags & RTNH_F_DEAD) !== 0,
    linkDown: (flags & RTNH_F_LINKDOWN) !== 0,
    encapType,
    encap: decodeEncap(a, NHA_ENCAP, encapType),
    protocol: view.getUint8(start + 2),
  };
}

function membersOf({ view }: NetlinkMessage, start: number, end: number): NexthopMember[] {
  const members: NexthopMember[] = [];
  for (let at = start; at + GROUP_ENTRY_SIZE <= end; at += GROUP_ENTRY_SIZE) {
    const weight = ((view.getUint8(at + 5) << 8) | view.getUint8(at + 4)) + 1;
    members.push({ id: view.getUint32(at, LITTLE_ENDIAN), weight });
  }
  return members;
}

function resilientOf(a: AttributeTable): ResilientGroup | undefined {
  const group = a.nested(NHA_RES_GROUP, resilientAttributes);
  if (group === undefined) return undefined;
  return {
    buckets: group.u16(NHA_RES_GROUP_BUCKETS) ?? 0,
    idleSeconds: (group.u32(NHA_RES_GROUP_IDLE_TIMER) ?? 0) / TICKS_PER_SECOND,
    unbalancedSeconds: (group.u32(NHA_RES_GROUP_UNBALANCED_TIMER) ?? 0) / TICKS_PER_SECOND,
  };
}

/** The nexthop objects of the namespace that match. */
export function listNexthops(socket: NetlinkSocket, filter: NexthopFilter = {}): NexthopInfo[] {
  return socket.dump(
    "list nexthops",
    RTM_GETNEXTHOP,
    (writer) => {
      writer.view.setUint8(writer.reserve(NHMSG_SIZE), familyNumber(filter.family));
      if (filter.ifindex !== undefined) writer.u32(NHA_OIF, filter.ifindex);
      if (filter.master !== undefined) writer.u32(NHA_MASTER, filter.master);
      if (filter.groups === true) writer.flag(NHA_GROUPS);
    },
    decodeNexthop,
  );
}

/** One object; `undefined` if there is none. */
export function findNexthop(socket: NetlinkSocket, id: number): NexthopInfo | undefined {
  try {
    return socket.get(
      `look up nexthop ${id}`,
      RTM_GETNEXTHOP,
      (writer) => {
        writer.view.setUint8(writer.reserve(NHMSG_SIZE), AF_UNSPEC);
        writer.u32(NHA_ID, id);
      },
      decodeNexthop,
    );
  } catch (error) {
    if (error instanceof WeirError && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Makes a nexthop object.
 * @param replace change the object that has the id, and with it all routes that refer to it; else it is an error
 * @throws WeirError `EEXIST`, `ENODEV`, `ENETUNREACH`, `EINVAL` with the kernel's explanation
 */
export function addNexthop(socket: NetlinkSocket, spec: NexthopSpec, replace: boolean): void {
  const flags = NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL);
  socket.request(`${replace ? "replace" : "add"} nexthop ${spec.id}`, RTM_NEWNEXTHOP, flags, (writer) => {
    const gateway = spec.gateway === undefined ? undefined : wireAddress(spec.gateway);
    const header = writer.reserve(NHMSG_SIZE);
    const ofRoutes = spec.members === undefined ? familyNumber(spec.family ?? gateway?.family ?? 4) : AF_UNSPEC;
    writer.view.setUint8(header, ofRoutes);
    writer.view.setUint8(header + 2, spec.protocol ?? routeProtocols.static);
    writer.view.setUint32(header + 4, spec.onlink === true ? RTNH_F_ONLINK : 0, LITTLE_ENDIAN);
    writer.u32(NHA_ID, spec.id);
    if (spec.members !== undefined) writeGroup(writer, spec.members, spec.resilient);
    if (spec.blackhole === true) writer.flag(NHA_BLACKHOLE);
    if (spec.fdb === true) writer.flag(NHA_FDB);
    if (spec.ifindex !== undefined) writer.u32(NHA_OIF, spec.ifindex);
    if (gateway !== undefined) writer.bytes(NHA_GATEWAY, gateway.bytes);
    if (spec.encap !== undefined) writeMplsEncap(writer, spec.encap, NHA_ENCAP_TYPE, NHA_ENCAP);
  });
}

/** Deletes a nexthop object, and the routes that refer to it. @throws WeirError `ENOENT` if there is none */
export function deleteNexthop(socket: NetlinkSocket, id: number): void {
  socket.request(`delete nexthop ${id}`, RTM_DELNEXTHOP, 0, (writer) => {
    writer.view.setUint8(writer.reserve(NHMSG_SIZE), AF_UNSPEC);
    writer.u32(NHA_ID, id);
  });
}

function writeGroup(
  writer: MessageWriter,
  members: readonly NexthopMember[],
  resilient: Partial<ResilientGroup> | undefined,
): void {
  const entries = new Uint8Array(members.length * GROUP_ENTRY_SIZE);
  const view = new DataView(entries.buffer);
  for (const [i, { id, weight }] of members.entries()) {
    view.setUint32(i * GROUP_ENTRY_SIZE, id, LITTLE_ENDIAN);
    view.setUint8(i * GROUP_ENTRY_SIZE + 4, (weight - 1) & 0xff);
    view.setUint8(i * GROUP_ENTRY_SIZE + 5, (weight - 1) >> 8);
  }
  writer.bytes(NHA_GROUP, entries);
  if (resilient === undefined) return;
  const { buckets, idleSeconds, unbalancedSeconds } = resilient;
  writer.u16(NHA_GROUP_TYPE, groupTypes.indexOf("resilient"));
  writer.nest(NHA_RES_GROUP, () => {
    if (buckets !== undefined) writer.u16(NHA_RES_GROUP_BUCKETS, buckets);
    if (idleSeconds !== undefined) writer.u32(NHA_RES_GROUP_IDLE_TIMER, idleSeconds * TICKS_PER_SECOND);
    if (unbalancedSeconds !== undefined) {
      writer.u32(NHA_RES_GROUP_UNBALANCED_TIMER, unbalancedSeconds * TICKS_PER_SECOND);
    }
  });
}
