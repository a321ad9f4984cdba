// SPDX-License-Identifier: Apache-2.0
/** The next hops of a route: the link it leaves by and the gateway it goes to (`struct rtnexthop`, `linux/rtnetlink.h`). */

import { WeirError } from "../errors.ts";
import { AttributeTable, align, type ByteRegion } from "./attribute.ts";
import { familyNumber, LITTLE_ENDIAN } from "./constants.ts";
import { addressText, type WireAddress, wireAddress } from "./ip.ts";
import type { MessageWriter } from "./message.ts";
import { decodeEncap, type MplsEncap, type RouteEncap, writeMplsEncap } from "./route_encap.ts";

/** Bytes of `struct rtnexthop`: u16 length, u8 flags, u8 weight - 1, i32 index. */
const RTNEXTHOP_SIZE = 8;

export const RTA_OIF = 4;
export const RTA_GATEWAY = 5;
export const RTA_MULTIPATH = 9;
export const RTA_VIA = 18;
export const RTA_ENCAP_TYPE = 21;
const RTA_ENCAP = 22;

/** The largest attribute of a next hop. */
export const HOP_ATTRIBUTES: number = RTA_ENCAP;

export const RTNH_F_DEAD = 1;
export const RTNH_F_ONLINK = 4;
export const RTNH_F_LINKDOWN = 16;

/** One way out. */
export interface RouteNextHop {
  /** Index of the link; `undefined` where the route has none (a blackhole's). */
  readonly ifindex: number | undefined;
  /** `undefined` if the destination is on the link. It may be IPv6 for an IPv4 route. */
  readonly gateway: string | undefined;
  /** Share of the traffic relative to the other next hops, 1 to 256. */
  readonly weight: number;
  /** The gateway is taken to be on the link although no route says so. */
  readonly onlink: boolean;
  /** The link is down or gone. */
  readonly dead: boolean;
  /** The link has no carrier. */
  readonly linkDown: boolean;
  /** Kind of lightweight tunnel that packets enter (`LWTUNNEL_ENCAP_*`, 1 is MPLS, 2 is IP); 0 for none. */
  readonly encapType: number;
  /** That tunnel; `undefined` where there is none, or of a kind that is not decoded. */
  readonly encap: RouteEncap | undefined;
}

/** A way out for a route to be added. */
export interface RouteNextHopSpec {
  readonly ifindex?: number | undefined;
  readonly gateway?: string | undefined;
  /** 1 to 256, default 1. Counts only beside other next hops. */
  readonly weight?: number | undefined;
  /** Take the gateway to be on the link. Default false. */
  readonly onlink?: boolean | undefined;
  /** Labels that packets get. */
  readonly encap?: MplsEncap | undefined;
}

const hopAttributes = new AttributeTable(HOP_ATTRIBUTES);

/** The next hop that a route's own attributes describe; `flags` is the message's. */
export function decodeNextHop(a: AttributeTable, ifindex: number | undefined, flags: number, weight = 1): RouteNextHop {
  const gateway = a.bytes(RTA_GATEWAY);
  // struct rtvia: u16 family, then the address.
  const via = a.bytes(RTA_VIA);
  const address = gateway ?? via?.subarray(2);
  const encapType = a.u16(RTA_ENCAP_TYPE) ?? 0;
  return {
    ifindex,
    gateway: address === undefined || address.byteLength === 0 ? undefined : addressText(address),
    weight,
    onlink: (flags & RTNH_F_ONLINK) !== 0,
    dead: (flags & RTNH_F_DEAD) !== 0,
    linkDown: (flags & RTNH_F_LINKDOWN) !== 0,
    encapType,
    encap: decodeEncap(a, RTA_ENCAP, encapType),
  };
}

/** The next hops of an `RTA_MULTIPATH` payload in [start, end). */
export function decodeMultipath(region: ByteRegion, start: number, end: number): RouteNextHop[] {
  const hops: RouteNextHop[] = [];
  const { view } = region;
  let offset = start;
  while (offset + RTNEXTHOP_SIZE <= end) {
    const length = view.getUint16(offset, LITTLE_ENDIAN);
    if (length < RTNEXTHOP_SIZE || offset + length > end) break;
    const flags = view.getUint8(offset + 2);
    const weight = view.getUint8(offset + 3) + 1;
    const ifindex = view.getInt32(offset + 4, LITTLE_ENDIAN);
    const a = hopAttributes.read(region, offset + RTNEXTHOP_SIZE, offset + length);
    hops.push(decodeNextHop(a, ifindex, flags, weight));
    offset += align(length);
  }
  return hops;
}

/** The bits that a single next hop contributes to the route's own flags. */
export function nextHopFlags(hop: RouteNextHopSpec): number {
  return hop.onlink === true ? RTNH_F_ONLINK : 0;
}

/** Writes a single next hop as attributes of the route. `destination` decides between gateway and via. */
export function writeNextHop(writer: MessageWriter, hop: RouteNextHopSpec, destination: WireAddress): void {
  if (hop.ifindex !== undefined) writer.u32(RTA_OIF, hop.ifindex);
  if (hop.gateway !== undefined) writeGateway(writer, hop.gateway, destination);
  if (hop.encap !== undefined) writeMplsEncap(writer, hop.encap, RTA_ENCAP_TYPE, RTA_ENCAP);
}

/** Writes several next hops. */
export function writeMultipath(
  writer: MessageWriter,
  hops: readonly RouteNextHopSpec[],
  destination: WireAddress,
): void {
  writer.nest(RTA_MULTIPATH, () => {
    for (const hop of hops) {
      const weight = hop.weight ?? 1;
      if (!Number.isInteger(weight) || weight < 1 || weight > 256) {
        throw new WeirError({
          code: "EINVAL",
          operation: "write a multipath route",
          reason: `weight ${weight} is not an integer from 1 to 256`,
        });
      }
      const header = writer.reserve(RTNEXTHOP_SIZE);
      writer.view.setUint8(header + 2, nextHopFlags(hop));
      writer.view.setUint8(header + 3, weight - 1);
      writer.view.setInt32(header + 4, hop.ifindex ?? 0, LITTLE_ENDIAN);
      if (hop.gateway !== undefined) writeGateway(writer, hop.gateway, destination);
      if (hop.encap !== undefined) writeMplsEncap(writer, hop.encap, RTA_ENCAP_TYPE, RTA_ENCAP);
      writer.view.setUint16(header, writer.length - header, LITTLE_ENDIAN);
    }
  });
}

function writeGateway(writer: MessageWriter, gateway: string, destination: WireAddress): void {
  const address = wireAddress(gateway);
  if (address.family === destination.family) {
    writer.bytes(RTA_GATEWAY, address.bytes);
    return;
  }
  const via = new Uint8Array(2 + address.bytes.byteLength);
  new DataView(via.buffer).setUint16(0, familyNumber(address.family), LITTLE_ENDIAN);
  via.set(address.bytes, 2);
  writer.bytes(RTA_VIA, via);
}
