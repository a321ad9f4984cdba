// SPDX-License-Identifier: Apache-2.0
/** Nexthop objects, which routes can refer to by id instead of naming links and gateways (`linux/nexthop.h`). */

import type { Family } from "../address.ts";
import { WeirError } from "../errors.ts";
import { AttributeTable } from "./attribute.ts";
import { AF_UNSPEC, familyNumber, ipFamily, LITTLE_ENDIAN, RTM_GETNEXTHOP } from "./constants.ts";
import { addressText } from "./ip.ts";
import type { NetlinkMessage } from "./message.ts";
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
const NHA_GROUPS = 9;
const NHA_MASTER = 10;
const NHA_FDB = 11;

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

const attributes = new AttributeTable(NHA_FDB);

/** Decodes an `RTM_NEWNEXTHOP` or `RTM_DELNEXTHOP` message. */
export function decodeNexthop(message: NetlinkMessage): NexthopInfo {
  const { view, start } = message;
  const flags = view.getUint32(start + 4, LITTLE_ENDIAN);
  const a = attributes.read(message, start + NHMSG_SIZE, message.end);
  const gateway = a.bytes(NHA_GATEWAY);
  const members = a.has(NHA_GROUP) ? membersOf(message, a.start(NHA_GROUP), a.end(NHA_GROUP)) : undefined;
  return {
    id: a.u32(NHA_ID) ?? 0,
    family: ipFamily(view.getUint8(start)),
    ifindex: a.u32(NHA_OIF),
    gateway: gateway === undefined ? undefined : addressText(gateway),
    members,
    groupType: members === undefined ? undefined : groupTypes[a.u16(NHA_GROUP_TYPE) ?? 0],
    blackhole: a.has(NHA_BLACKHOLE),
    fdb: a.has(NHA_FDB),
    onlink: (flags & RTNH_F_ONLINK) !== 0,
    dead: (flags & RTNH_F_DEAD) !== 0,
    linkDown: (flags & RTNH_F_LINKDOWN) !== 0,
    encapType: a.u16(NHA_ENCAP_TYPE) ?? 0,
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
