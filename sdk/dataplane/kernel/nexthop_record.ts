// SPDX-License-Identifier: Apache-2.0
/** Next hops as the kernel has them. */
import type { IpAddress } from "../../address.ts";
import {
  EncapValue,
  HASH_DESTINATION,
  HASH_DESTINATION_PORT,
  HASH_PROTOCOL,
  HASH_SOURCE,
  HASH_SOURCE_PORT,
  type NexthopType,
  NexthopTypeValue,
  nexthopCodec,
  nexthopLayout,
} from "../../layout/index.ts";
import type { Encap, HashField } from "../schema/index.ts";
import { element } from "./element.ts";

/** What the kernel knows of a tunnel. */
export interface TunnelRecord {
  readonly encap: Encap;
  readonly local: IpAddress;
  readonly remote: IpAddress;
  /** Number of the next hop (interface or ecmp) that leads to `remote`; 0: none does. */
  readonly underlay: number;
  /** `undefined`: the gateway's. */
  readonly routerMac: Uint8Array | undefined;
}

/** A range of `members`. */
export interface MemberRange {
  readonly first: number;
  readonly count: number;
}

/** What the kernel knows of a next hop (`struct nexthop`). */
export interface NexthopRecord {
  readonly id: number;
  readonly type: NexthopType;
  /** Number of the outgoing interface; 0: none. */
  readonly interface?: number;
  readonly ifindex?: number;
  /** NEXTHOP_FLAG_* */
  readonly flags?: number;
  /** Layer 3 bytes that fit, of a tunnel those of the inner packet; 0: not checked. */
  readonly mtu?: number;
  readonly destinationMac?: Uint8Array | undefined;
  readonly sourceMac?: Uint8Array | undefined;
  /** Type vrf: number of the VRF to look up in. */
  readonly vrf?: number;
  readonly tunnel?: TunnelRecord;
  /** Types ecmp and flood. */
  readonly members?: MemberRange;
  /** HASH_*; 0: all. */
  readonly hashFields?: number;
}

const HASH: Readonly<Record<HashField, number>> = {
  src: HASH_SOURCE,
  dst: HASH_DESTINATION,
  proto: HASH_PROTOCOL,
  sport: HASH_SOURCE_PORT,
  dport: HASH_DESTINATION_PORT,
};

/** HASH_* of the fields that an ecmp next hop names; none named: all. */
export const hashFieldsOf = (fields: readonly HashField[] | undefined): number =>
  (fields ?? []).reduce((bits, field) => bits | HASH[field], 0);

/** Encodes a next hop. */
export function encodeNexthop(record: NexthopRecord): Uint8Array<ArrayBuffer> {
  const { bytes, view } = element(nexthopLayout.size);
  const codec = nexthopCodec;
  codec.type.set(view, 0, NexthopTypeValue[record.type]);
  codec.interface.set(view, 0, record.interface ?? 0);
  codec.ifindex.set(view, 0, record.ifindex ?? 0);
  codec.flags.set(view, 0, record.flags ?? 0);
  codec.mtu.set(view, 0, record.mtu ?? 0);
  codec.vrf.set(view, 0, record.vrf ?? 0);
  codec.hashFields.set(view, 0, record.hashFields ?? 0);
  codec.destinationMac.set(bytes, 0, record.destinationMac ?? []);
  codec.sourceMac.set(bytes, 0, record.sourceMac ?? []);
  if (record.members !== undefined) {
    codec.membersFirst.set(view, 0, record.members.first);
    codec.membersCount.set(view, 0, record.members.count);
  }
  if (record.tunnel !== undefined) {
    codec.counter.set(view, 0, record.id);
    encodeTunnel(record.tunnel, bytes, view);
  }
  return bytes;
}

function encodeTunnel(tunnel: TunnelRecord, bytes: Uint8Array, view: DataView): void {
  const codec = nexthopCodec;
  codec.encap.set(view, 0, EncapValue[tunnel.encap]);
  codec.underlay.set(view, 0, tunnel.underlay);
  codec.underlayFamily.set(view, 0, tunnel.remote.family);
  codec.routerMac.set(bytes, 0, tunnel.routerMac ?? []);
  codec.localAddress.set(bytes, 0, tunnel.local.bytes);
  codec.remoteAddress.set(bytes, 0, tunnel.remote.bytes);
}
