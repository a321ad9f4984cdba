// SPDX-License-Identifier: Apache-2.0
/** The kinds of virtual links that can be created, and what each kind writes into a request. */

import { wireMac } from "./ip.ts";
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
const IFLA_VLAN_ID = 1;
const IFLA_VRF_TABLE = 1;

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

/** A link to be created. */
export type LinkSpec = VethSpec | DummySpec | BridgeSpec | VrfSpec | VlanSpec;

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
    } else if (spec.kind === "vrf") {
      writer.nest(IFLA_INFO_DATA, () => writer.u32(IFLA_VRF_TABLE, spec.table));
    }
  });
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
