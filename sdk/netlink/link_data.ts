// SPDX-License-Identifier: Apache-2.0
/** What a virtual device is set up to do, by its kind (`IFLA_INFO_DATA`, `linux/if_link.h`). */

import { AttributeTable } from "./attribute.ts";
import { addressText } from "./ip.ts";
import {
  IFLA_VLAN_ID,
  IFLA_VRF_TABLE,
  IFLA_VXLAN_GROUP,
  IFLA_VXLAN_GROUP6,
  IFLA_VXLAN_ID,
  IFLA_VXLAN_LEARNING,
  IFLA_VXLAN_LINK,
  IFLA_VXLAN_LOCAL,
  IFLA_VXLAN_LOCAL6,
  IFLA_VXLAN_PORT,
} from "./link_kind.ts";

const IFLA_VLAN_PROTOCOL = 5;
const IFLA_VXLAN_TTL = 5;
const IFLA_VXLAN_COLLECT_METADATA = 25;
const IFLA_BR_STP_STATE = 5;
const IFLA_BR_VLAN_FILTERING = 7;
const IFLA_MACVLAN_MODE = 1;

/** `ETH_P_8021AD`: the outer tag of two (IEEE 802.1ad). */
const ETH_P_8021AD = 0x88a8;

const macvlanModes: ReadonlyMap<number, MacvlanMode> = new Map([
  [1, "private"],
  [2, "vepa"],
  [4, "bridge"],
  [8, "passthru"],
  [16, "source"],
]);
export type MacvlanMode = "private" | "vepa" | "bridge" | "passthru" | "source";

/** A VLAN's device. */
export interface VlanData {
  readonly kind: "vlan";
  /** VLAN id. */
  readonly vlan: number;
  readonly protocol: "802.1Q" | "802.1ad";
}

/** A VRF device. */
export interface VrfData {
  readonly kind: "vrf";
  /** Its routing table. */
  readonly table: number;
}

/** A VXLAN device. */
export interface VxlanData {
  readonly kind: "vxlan";
  readonly vni: number;
  /** Where frames go whose destination has no bridge entry; it may be a multicast group. */
  readonly remote: string | undefined;
  readonly local: string | undefined;
  /** UDP port. */
  readonly port: number;
  /** Index of the link that tunnels leave by. */
  readonly parent: number | undefined;
  readonly learning: boolean;
  /** Of the outer header; 0: the kernel's choice. */
  readonly ttl: number;
  /** Routes and programs tell VNI and remote, packet by packet. */
  readonly external: boolean;
}

/** A bridge. */
export interface BridgeData {
  readonly kind: "bridge";
  readonly vlanFiltering: boolean;
  /** Spanning tree protocol. */
  readonly stp: boolean;
}

/** Another MAC on the parent's link. */
export interface MacvlanData {
  readonly kind: "macvlan";
  readonly mode: MacvlanMode | undefined;
}

/** What a device of one of these kinds is set up to do. */
export type LinkData = VlanData | VrfData | VxlanData | BridgeData | MacvlanData;

const attributes = new AttributeTable(IFLA_VXLAN_COLLECT_METADATA);

/** What the attribute `type` of `info` says about a device of `kind`; `undefined` for kinds that are not decoded. */
export function decodeLinkData(info: AttributeTable, type: number, kind: string | undefined): LinkData | undefined {
  const a = info.nested(type, attributes);
  if (a === undefined) return undefined;
  switch (kind) {
    case "vlan": {
      const protocol = bigEndian16(a.bytes(IFLA_VLAN_PROTOCOL)) === ETH_P_8021AD ? "802.1ad" : "802.1Q";
      return { kind, vlan: a.u16(IFLA_VLAN_ID) ?? 0, protocol };
    }
    case "vrf":
      return { kind, table: a.u32(IFLA_VRF_TABLE) ?? 0 };
    case "vxlan":
      return vxlanData(a);
    case "bridge":
      return {
        kind,
        vlanFiltering: (a.u8(IFLA_BR_VLAN_FILTERING) ?? 0) !== 0,
        stp: (a.u32(IFLA_BR_STP_STATE) ?? 0) !== 0,
      };
    case "macvlan":
      return { kind, mode: macvlanModes.get(a.u32(IFLA_MACVLAN_MODE) ?? 0) };
    default:
      return undefined;
  }
}

function vxlanData(a: AttributeTable): VxlanData {
  const remote = a.bytes(IFLA_VXLAN_GROUP) ?? a.bytes(IFLA_VXLAN_GROUP6);
  const local = a.bytes(IFLA_VXLAN_LOCAL) ?? a.bytes(IFLA_VXLAN_LOCAL6);
  return {
    kind: "vxlan",
    vni: a.u32(IFLA_VXLAN_ID) ?? 0,
    remote: remote === undefined ? undefined : addressText(remote),
    local: local === undefined ? undefined : addressText(local),
    port: bigEndian16(a.bytes(IFLA_VXLAN_PORT)),
    parent: a.u32(IFLA_VXLAN_LINK) || undefined,
    learning: (a.u8(IFLA_VXLAN_LEARNING) ?? 0) !== 0,
    ttl: a.u8(IFLA_VXLAN_TTL) ?? 0,
    external: (a.u8(IFLA_VXLAN_COLLECT_METADATA) ?? 0) !== 0,
  };
}

/** In network byte order, unlike most attributes. */
function bigEndian16(bytes: Uint8Array | undefined): number {
  return bytes === undefined ? 0 : ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
}
