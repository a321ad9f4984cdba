// SPDX-License-Identifier: Apache-2.0
/** The kinds of virtual links that can be created, and what each kind writes into a request. */

import { wireAddress, wireMac } from "./ip.ts";
import type { MessageWriter } from "./message.ts";
import { withNamespaceDescriptor } from "./namespace.ts";

/** Bytes of `struct ifinfomsg`: u8 family, u8, u16 type, i32 index, u32 flags, u32 change mask. */
export const IFINFOMSG_SIZE = 16;

/** Attributes of links that creation and description share (`linux/if_link.h`). */
export const IFLA_ADDRESS = 1;
export const IFLA_IFNAME = 3;
export const IFLA_MTU = 4;
export const IFLA_LINK = 5;
export const IFLA_LINKINFO = 18;
export const IFLA_NET_NS_FD = 28;
export const IFLA_NUM_TX_QUEUES = 31;
export const IFLA_NUM_RX_QUEUES = 32;

/** Attributes nested in `IFLA_LINKINFO`. */
export const IFLA_INFO_KIND = 1;
export const IFLA_INFO_DATA = 2;

/** Attributes of the kinds, nested in `IFLA_INFO_DATA`. */
const VETH_INFO_PEER = 1;
export const IFLA_VLAN_ID = 1;
export const IFLA_VRF_TABLE = 1;
export const IFLA_VXLAN_ID = 1;
export const IFLA_VXLAN_GROUP = 2;
export const IFLA_VXLAN_LINK = 3;
export const IFLA_VXLAN_LOCAL = 4;
export const IFLA_VXLAN_LEARNING = 7;
export const IFLA_VXLAN_PORT = 15;
export const IFLA_VXLAN_GROUP6 = 16;
export const IFLA_VXLAN_LOCAL6 = 17;
const IFLA_VXLAN_UDP_ZERO_CSUM6_TX = 19;
const IFLA_VXLAN_UDP_ZERO_CSUM6_RX = 20;

/** RFC 7348 section 5. The kernel's own default is an older, unassigned port. */
const VXLAN_PORT = 4789;

/** What can be chosen when any link is made. */
export interface LinkProperties {
  /** 1 to 15 bytes, no `/` and no white space. */
  readonly name: string;
  /** Default: the kind's, 1500 for most. */
  readonly mtu?: number | undefined;
  /** Default: a random one. */
  readonly mac?: string | undefined;
  /** Numbers of queues; default 1 for most kinds, and they cannot be raised later. */
  readonly rxQueues?: number | undefined;
  readonly txQueues?: number | undefined;
  /** Bring it up at once. Default false. */
  readonly up?: boolean | undefined;
}

/** The other end of a veth pair. */
export interface VethPeer extends LinkProperties {
  /** Namespace in which the peer is made, by name or path. Default: the same. */
  readonly netns?: string | undefined;
}

interface NewLink extends LinkProperties {
  /** Index of the bridge or VRF device that it joins. */
  readonly master?: number | undefined;
}

/** A pair of devices: what one sends the other receives. */
export interface VethSpec extends NewLink {
  readonly kind: "veth";
  readonly peer: VethPeer;
}

/** A device that drops what it is given; it can carry addresses and routes. */
export interface DummySpec extends NewLink {
  readonly kind: "dummy";
}

/** A learning bridge. */
export interface BridgeSpec extends NewLink {
  readonly kind: "bridge";
}

/** A routing domain for the devices that join it. */
export interface VrfSpec extends NewLink {
  readonly kind: "vrf";
  /** Its routing table, 1 to 2^32 - 1. */
  readonly table: number;
}

/** The tagged frames of one VLAN on another device. */
export interface VlanSpec extends NewLink {
  readonly kind: "vlan";
  /** Index of the lower device. */
  readonly parent: number;
  /** VLAN id, 1 to 4094. */
  readonly vlan: number;
}

/** The frames of one VXLAN segment (RFC 7348). */
export interface VxlanSpec extends NewLink {
  readonly kind: "vxlan";
  /** VXLAN network identifier, 0 to 2^24 - 1. */
  readonly vni: number;
  /** Where frames go whose destination has no bridge entry; of one family with `local`. Default: nowhere. */
  readonly remote?: string | undefined;
  /** Source address. Default: the route's. */
  readonly local?: string | undefined;
  /** UDP port that it listens on and sends to. Default 4789. */
  readonly port?: number | undefined;
  /** Index of the link that tunnels leave by, whose MTU it fits its own to. Default: the route's, and MTU 1500. */
  readonly parent?: number | undefined;
  /** Learn which remote a source MAC is behind. Default true. */
  readonly learning?: boolean | undefined;
  /** IPv6: send UDP checksum 0 and take it (RFC 6935). Default false. */
  readonly zeroChecksum6?: boolean | undefined;
}

/** A link to be created. */
export type LinkSpec = VethSpec | DummySpec | BridgeSpec | VrfSpec | VlanSpec | VxlanSpec;

/** Writes the properties that are fixed or may be chosen at creation, for the link itself or for a veth's peer. */
export function writeLinkProperties(
  writer: MessageWriter,
  properties: { readonly [K in "mac" | "mtu" | "rxQueues" | "txQueues"]?: LinkProperties[K] },
): void {
  if (properties.mac !== undefined) writer.bytes(IFLA_ADDRESS, wireMac(properties.mac));
  if (properties.mtu !== undefined) writer.u32(IFLA_MTU, properties.mtu);
  if (properties.txQueues !== undefined) writer.u32(IFLA_NUM_TX_QUEUES, properties.txQueues);
  if (properties.rxQueues !== undefined) writer.u32(IFLA_NUM_RX_QUEUES, properties.rxQueues);
}

/** Writes the attributes that make a new link one of its kind. A descriptor of the peer's namespace is passed as `peerNamespace`. */
export function writeLinkKind(writer: MessageWriter, spec: LinkSpec, peerNamespace?: number): void {
  if (spec.kind === "vlan") writer.u32(IFLA_LINK, spec.parent);
  writer.nest(IFLA_LINKINFO, () => {
    writer.string(IFLA_INFO_KIND, spec.kind);
    if (spec.kind === "veth") {
      writer.nest(IFLA_INFO_DATA, () => writer.nest(VETH_INFO_PEER, () => writePeer(writer, spec.peer, peerNamespace)));
    } else if (spec.kind === "vlan") {
      writer.nest(IFLA_INFO_DATA, () => writer.u16(IFLA_VLAN_ID, spec.vlan));
    } else if (spec.kind === "vxlan") {
      writer.nest(IFLA_INFO_DATA, () => writeVxlan(writer, spec));
    } else if (spec.kind === "vrf") {
      writer.nest(IFLA_INFO_DATA, () => writer.u32(IFLA_VRF_TABLE, spec.table));
    }
  });
}

function writeVxlan(writer: MessageWriter, spec: VxlanSpec): void {
  const port = spec.port ?? VXLAN_PORT;
  writer.u32(IFLA_VXLAN_ID, spec.vni);
  writeEndpoint(writer, spec.remote, IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6);
  writeEndpoint(writer, spec.local, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6);
  if (spec.parent !== undefined) writer.u32(IFLA_VXLAN_LINK, spec.parent);
  writer.u8(IFLA_VXLAN_LEARNING, spec.learning === false ? 0 : 1);
  // In network byte order, unlike most attributes.
  writer.u16(IFLA_VXLAN_PORT, ((port & 0xff) << 8) | (port >> 8));
  if (spec.zeroChecksum6 !== true) return;
  writer.u8(IFLA_VXLAN_UDP_ZERO_CSUM6_TX, 1);
  writer.u8(IFLA_VXLAN_UDP_ZERO_CSUM6_RX, 1);
}

function writeEndpoint(writer: MessageWriter, text: string | undefined, type4: number, type6: number): void {
  if (text === undefined) return;
  const { family, bytes } = wireAddress(text);
  writer.bytes(family === 4 ? type4 : type6, bytes);
}

/** Runs `use` with a descriptor of the namespace that the spec's peer shall be made in, if it names one. */
export function withPeerNamespace(spec: LinkSpec, use: (namespace?: number) => void): void {
  if (spec.kind === "veth" && spec.peer.netns !== undefined) withNamespaceDescriptor(spec.peer.netns, use);
  else use();
}

/** A peer is described like a link of its own: header, then attributes. */
function writePeer(writer: MessageWriter, peer: VethPeer, namespace: number | undefined): void {
  writer.reserve(IFINFOMSG_SIZE);
  writer.string(IFLA_IFNAME, peer.name);
  if (namespace !== undefined) writer.u32(IFLA_NET_NS_FD, namespace);
  writeLinkProperties(writer, peer);
}
