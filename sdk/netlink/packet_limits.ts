// SPDX-License-Identifier: Apache-2.0
/**
 * How long packets may be on a device before they are cut into what fits its MTU (`linux/if_link.h`, `ip -d link`).
 * Above 65536 bytes they are what the kernel calls BIG TCP: the length field of their IP header is 0.
 */
import type { AttributeTable } from "./attribute.ts";
import type { MessageWriter } from "./message.ts";

const IFLA_GSO_MAX_SIZE = 41;
const IFLA_GRO_MAX_SIZE = 58;
const IFLA_TSO_MAX_SIZE = 59;
const IFLA_GSO_IPV4_MAX_SIZE = 63;
const IFLA_GRO_IPV4_MAX_SIZE = 64;

/** The attributes in the order in which the kernel takes them: a small `gso` sets `gsoIpv4` too. */
const TYPES = {
  gso: IFLA_GSO_MAX_SIZE,
  gro: IFLA_GRO_MAX_SIZE,
  gsoIpv4: IFLA_GSO_IPV4_MAX_SIZE,
  groIpv4: IFLA_GRO_IPV4_MAX_SIZE,
} as const;

/** The longest packets that every kernel and device takes, and the kernel's default. */
export const DEFAULT_PACKET_LIMIT = 65_536;

/** Longest packets of a device, in bytes. */
export interface PacketLimits {
  /** That the stack hands to the device to be segmented (GSO). Before Linux 6.3 of IPv4 at most 65536. */
  readonly gso: number;
  /** That arriving segments are merged into (GRO). Before Linux 6.3 of IPv4 at most 65536. */
  readonly gro: number;
  /** `gso` for IPv4; `undefined` before Linux 6.3. */
  readonly gsoIpv4: number | undefined;
  /** `gro` for IPv4; `undefined` before Linux 6.3. */
  readonly groIpv4: number | undefined;
  /** Most that the driver lets `gso` and `gsoIpv4` be. Cannot be changed. */
  readonly driver: number;
}

/** A limit that can be changed. */
export type PacketLimitName = keyof typeof TYPES;

/** New limits, in bytes; those left out stay as they are. */
export type PacketLimitChange = { readonly [Limit in PacketLimitName]?: number | undefined };

/** The limits that can be changed. */
export const packetLimitNames = Object.keys(TYPES) as readonly PacketLimitName[];

/** Reads the limits of a link message. */
export function decodePacketLimits(a: AttributeTable): PacketLimits {
  return {
    gso: a.u32(IFLA_GSO_MAX_SIZE) ?? DEFAULT_PACKET_LIMIT,
    gro: a.u32(IFLA_GRO_MAX_SIZE) ?? DEFAULT_PACKET_LIMIT,
    gsoIpv4: a.u32(IFLA_GSO_IPV4_MAX_SIZE),
    groIpv4: a.u32(IFLA_GRO_IPV4_MAX_SIZE),
    driver: a.u32(IFLA_TSO_MAX_SIZE) ?? DEFAULT_PACKET_LIMIT,
  };
}

export function writePacketLimits(writer: MessageWriter, change: PacketLimitChange): void {
  for (const limit of packetLimitNames) {
    const bytes = change[limit];
    if (bytes !== undefined) writer.u32(TYPES[limit], bytes);
  }
}
