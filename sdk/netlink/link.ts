// SPDX-License-Identifier: Apache-2.0
/** Links (network devices): list, look up, create, change, delete (`linux/if_link.h`). */

import { formatMac } from "../address.ts";
import { WeirError } from "../errors.ts";
import { ENODEV, errnoError } from "../runtime/errno.ts";
import { AttributeTable, stringAt } from "./attribute.ts";
import {
  AF_INET6,
  AF_UNSPEC,
  LITTLE_ENDIAN,
  NETLINK_ROUTE,
  NLM_F_CREATE,
  NLM_F_EXCL,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_NEWLINK,
  RTM_SETLINK,
} from "./constants.ts";
import { decodeLinkData, type LinkData } from "./link_data.ts";
import {
  IFINFOMSG_SIZE,
  IFLA_ADDRESS,
  IFLA_IFNAME,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_LINK,
  IFLA_LINKINFO,
  IFLA_MTU,
  IFLA_NET_NS_FD,
  IFLA_NUM_RX_QUEUES,
  IFLA_NUM_TX_QUEUES,
  type LinkSpec,
  withPeerNamespace,
  writeLinkKind,
  writeLinkProperties,
} from "./link_kind.ts";
import type { MessageWriter, NetlinkMessage } from "./message.ts";
import { withNamespaceDescriptor } from "./namespace.ts";
import { decodePacketLimits, type PacketLimitChange, type PacketLimits, writePacketLimits } from "./packet_limits.ts";
import { NetlinkSocket } from "./socket.ts";
import { decodeXdp, type XdpInfo } from "./xdp.ts";

const IFLA_MASTER = 10;
const IFLA_TXQLEN = 13;
const IFLA_OPERSTATE = 16;
const IFLA_IFALIAS = 20;
const IFLA_AF_SPEC = 26;
const IFLA_EXT_MASK = 29;
const IFLA_LINK_NETNSID = 37;
const IFLA_XDP = 43;
const IFLA_MIN_MTU = 50;
const IFLA_MAX_MTU = 51;
const IFLA_PROP_LIST = 52;
const IFLA_ALT_IFNAME = 53;
const IFLA_PARENT_DEV_NAME = 56;
const IFLA_MAX = 64;

const IFLA_INET6_ADDR_GEN_MODE = 8;

const IFF_UP = 0x1;
const IFF_RUNNING = 0x40;
const IFF_LOOPBACK = 0x8;

/** Leaves the counters out of answers. */
const RTEXT_FILTER_SKIP_STATS = 8;

/** Longest device name; longer names can only be alternative names. */
const IFNAMSIZ = 16;

/** Operational state (RFC 2863, `IF_OPER_*` in `linux/if.h`); the index is the kernel's number. */
const operationalStates = ["unknown", "not-present", "down", "lower-layer-down", "testing", "dormant", "up"] as const;
export type OperationalState = (typeof operationalStates)[number];

/** How IPv6 makes link-local addresses; the index is the kernel's number. */
const addressGenerationModes = ["eui64", "none", "stable-privacy", "random"] as const;
export type AddressGenerationMode = (typeof addressGenerationModes)[number];

/** A device as the kernel describes it. */
export interface LinkInfo {
  /** Interface index, unique in its namespace, from 1. */
  readonly index: number;
  readonly name: string;
  /** Other names under which `link` finds it. */
  readonly alternativeNames: readonly string[];
  /** Hardware address in lower case; `undefined` where the device has none. */
  readonly mac: string | undefined;
  /** Largest network-layer packet, in bytes. */
  readonly mtu: number;
  /** Limits that the driver sets to `mtu`; a maximum of 0 means none. */
  readonly minMtu: number;
  readonly maxMtu: number;
  readonly packetLimits: PacketLimits;
  /** Administratively up. */
  readonly up: boolean;
  /** Up and with carrier. */
  readonly running: boolean;
  readonly loopback: boolean;
  /** All flags (`IFF_*`, `linux/if.h`). */
  readonly flags: number;
  readonly operationalState: OperationalState;
  /** Kind of a virtual device, such as `veth` or `bridge`; `undefined` for hardware and the loopback. */
  readonly kind: string | undefined;
  /** What a virtual device is set up to do; `undefined` for kinds whose settings are not decoded. */
  readonly data: LinkData | undefined;
  /** Index of the bridge, bond or VRF device that it belongs to. */
  readonly master: number | undefined;
  /** Index of the peer (veth) or of the lower device (VLAN), in the namespace `linkNetnsId`. */
  readonly peerIndex: number | undefined;
  /** Id of the namespace of `peerIndex` (see `Netlink.namespaceId`); `undefined` if it is the same. */
  readonly linkNetnsId: number | undefined;
  readonly rxQueues: number;
  readonly txQueues: number;
  /** Length of the transmit queue in packets. */
  readonly txQueueLength: number;
  /** Bus device that it sits on, e.g. `0000:00:05.0`. */
  readonly parentDevice: string | undefined;
  /** Free text set by the administrator. */
  readonly alias: string | undefined;
  /** The XDP program that is attached. */
  readonly xdp: XdpInfo | undefined;
}

/** What can be changed on a link. Fields left out stay as they are. */
export interface LinkChange {
  readonly up?: boolean | undefined;
  readonly mtu?: number | undefined;
  readonly mac?: string | undefined;
  /** Before Linux 6.2 only while the link is down; `up: false` beside it takes it down first. */
  readonly name?: string | undefined;
  /** Index of the new master; `null` takes the link out of its master. */
  readonly master?: number | null | undefined;
  /** Namespace to move it to, by name or path. It keeps no addresses, and is down there without `up: true`. */
  readonly netns?: string | undefined;
  readonly txQueueLength?: number | undefined;
  /** Limits that the kernel does not have are ignored by it: those that are `undefined` in `LinkInfo`. */
  readonly packetLimits?: PacketLimitChange | undefined;
  readonly addressGeneration?: AddressGenerationMode | undefined;
  readonly alias?: string | undefined;
}

const attributes = new AttributeTable(IFLA_MAX);
const info = new AttributeTable(IFLA_INFO_DATA);

/** Decodes an `RTM_NEWLINK` or `RTM_DELLINK` message. */
export function decodeLink(message: NetlinkMessage): LinkInfo {
  const { view, start } = message;
  const flags = view.getUint32(start + 8, LITTLE_ENDIAN);
  const a = attributes.read(message, start + IFINFOMSG_SIZE, message.end);
  const mac = a.bytes(IFLA_ADDRESS);
  const alternativeNames: string[] = [];
  a.each(IFLA_PROP_LIST, (type, from, to) => {
    if (type === IFLA_ALT_IFNAME) alternativeNames.push(stringAt(message.bytes, from, to));
  });
  const linkInfo = a.nested(IFLA_LINKINFO, info);
  const kind = linkInfo?.string(IFLA_INFO_KIND);
  return {
    index: view.getInt32(start + 4, LITTLE_ENDIAN),
    name: a.string(IFLA_IFNAME) ?? "",
    alternativeNames,
    mac: mac?.byteLength === 6 ? formatMac(mac) : undefined,
    mtu: a.u32(IFLA_MTU) ?? 0,
    minMtu: a.u32(IFLA_MIN_MTU) ?? 0,
    maxMtu: a.u32(IFLA_MAX_MTU) ?? 0,
    packetLimits: decodePacketLimits(a),
    up: (flags & IFF_UP) !== 0,
    running: (flags & IFF_RUNNING) !== 0,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    flags,
    operationalState: operationalStates[a.u8(IFLA_OPERSTATE) ?? 0] ?? "unknown",
    kind,
    data: linkInfo && decodeLinkData(linkInfo, IFLA_INFO_DATA, kind),
    master: a.u32(IFLA_MASTER),
    peerIndex: a.u32(IFLA_LINK),
    linkNetnsId: a.i32(IFLA_LINK_NETNSID),
    rxQueues: a.u32(IFLA_NUM_RX_QUEUES) ?? 0,
    txQueues: a.u32(IFLA_NUM_TX_QUEUES) ?? 0,
    txQueueLength: a.u32(IFLA_TXQLEN) ?? 0,
    parentDevice: a.string(IFLA_PARENT_DEV_NAME),
    alias: a.string(IFLA_IFALIAS),
    xdp: decodeXdp(a, IFLA_XDP),
  };
}

/** How a link is named in messages and in requests. */
export type LinkKey = number | string;

/** Text of a key for messages: `"eth0"` or `device 7`. */
export function linkText(key: LinkKey): string {
  return typeof key === "string" ? `"${key}"` : `device ${key}`;
}

function writeHeader(writer: MessageWriter, index: number, flags = 0, change = 0): void {
  const offset = writer.reserve(IFINFOMSG_SIZE);
  writer.view.setUint8(offset, AF_UNSPEC);
  writer.view.setInt32(offset + 4, index, LITTLE_ENDIAN);
  writer.view.setUint32(offset + 8, flags, LITTLE_ENDIAN);
  writer.view.setUint32(offset + 12, change, LITTLE_ENDIAN);
}

function writeKey(writer: MessageWriter, key: LinkKey, flags = 0, change = 0): void {
  writeHeader(writer, typeof key === "number" ? key : 0, flags, change);
  if (typeof key === "string") writer.string(key.length < IFNAMSIZ ? IFLA_IFNAME : IFLA_ALT_IFNAME, key);
}

/** All links of the namespace, in the order of their indexes. */
export function listLinks(socket: NetlinkSocket): LinkInfo[] {
  const links = socket.dump(
    "list links",
    RTM_GETLINK,
    (writer) => {
      writeHeader(writer, 0);
      writer.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    },
    decodeLink,
  );
  return links.sort((a, b) => a.index - b.index);
}

/** One link by index, name or alternative name; `undefined` if there is none. */
export function findLink(socket: NetlinkSocket, key: LinkKey): LinkInfo | undefined {
  try {
    return socket.get(
      `look up ${linkText(key)}`,
      RTM_GETLINK,
      (writer) => {
        writeKey(writer, key);
        writer.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
      },
      decodeLink,
    );
  } catch (error) {
    if (error instanceof WeirError && error.code === "ENODEV") return undefined;
    throw error;
  }
}

/** One link that must be there. @throws WeirError `ENODEV` */
export function requireLink(socket: NetlinkSocket, key: LinkKey, operation: string): LinkInfo {
  const link = findLink(socket, key);
  if (link === undefined) throw errnoError(ENODEV, operation);
  return link;
}

/**
 * Creates a virtual link and returns it.
 * @throws WeirError `EEXIST` if the name (or the peer's) is taken, `EOPNOTSUPP` if the kernel lacks the kind
 */
export function addLink(socket: NetlinkSocket, spec: LinkSpec): LinkInfo {
  const operation = `add ${spec.kind} link "${spec.name}"`;
  withPeerNamespace(spec, (peerNamespace) =>
    socket.request(operation, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, (writer) => {
      writeHeader(writer, 0);
      writer.string(IFLA_IFNAME, spec.name);
      if (spec.master !== undefined) writer.u32(IFLA_MASTER, spec.master);
      writeLinkProperties(writer, spec);
      writeLinkKind(writer, spec, peerNamespace);
    }),
  );
  try {
    bringUp(socket, spec);
  } catch (error) {
    deleteLink(socket, spec.name);
    throw error;
  }
  return requireLink(socket, spec.name, operation);
}

/** In requests of their own: a veth cannot be up before its pair is complete. */
function bringUp(socket: NetlinkSocket, spec: LinkSpec): void {
  if (spec.up === true) setLink(socket, spec.name, { up: true });
  if (spec.kind !== "veth" || spec.peer.up !== true) return;
  if (spec.peer.netns === undefined) {
    setLink(socket, spec.peer.name, { up: true });
    return;
  }
  using there = NetlinkSocket.open(NETLINK_ROUTE, spec.peer.netns);
  setLink(there, spec.peer.name, { up: true });
}

/**
 * Changes a link. The fields are applied one after the other, up to the first that fails: `up: false` first,
 * then all others, `up: true` last. A link that moves is changed where it goes.
 * @throws WeirError `ENODEV` if there is no such link
 */
export function setLink(socket: NetlinkSocket, key: LinkKey, change: LinkChange): void {
  const operation = `change ${linkText(key)}`;
  // By index: in a request that renames, the name attribute is the new name.
  const index = typeof key === "number" ? key : requireLink(socket, key, operation).index;
  const send = (flags: number, mask: number, write?: (writer: MessageWriter) => void) =>
    socket.request(operation, RTM_SETLINK, 0, (writer) => {
      writeHeader(writer, index, flags, mask);
      write?.(writer);
    });
  const up = change.up === true ? IFF_UP : 0;
  // The kernel would rename before it takes down, which 6.1 refuses.
  if (change.up === false) send(0, IFF_UP);
  if (change.netns !== undefined) {
    withNamespaceDescriptor(change.netns, (namespace) =>
      send(up, up, (writer) => {
        writer.u32(IFLA_NET_NS_FD, namespace);
        writeChange(writer, change);
      }),
    );
    return;
  }
  send(0, 0, (writer) => writeChange(writer, change));
  // The kernel would bring up before it sets how addresses are generated, and generate one.
  if (up !== 0) send(up, up);
}

function writeChange(writer: MessageWriter, change: LinkChange): void {
  if (change.name !== undefined) writer.string(IFLA_IFNAME, change.name);
  if (change.alias !== undefined) writer.string(IFLA_IFALIAS, change.alias);
  if (change.txQueueLength !== undefined) writer.u32(IFLA_TXQLEN, change.txQueueLength);
  if (change.master !== undefined) writer.u32(IFLA_MASTER, change.master ?? 0);
  if (change.addressGeneration !== undefined) writeAddressGeneration(writer, change.addressGeneration);
  if (change.packetLimits !== undefined) writePacketLimits(writer, change.packetLimits);
  writeLinkProperties(writer, change);
}

/** Deletes a link; of a veth pair both ends go. @throws WeirError `ENODEV`, `EOPNOTSUPP` for hardware */
export function deleteLink(socket: NetlinkSocket, key: LinkKey): void {
  socket.request(`delete ${linkText(key)}`, RTM_DELLINK, 0, (writer) => writeKey(writer, key));
}

function writeAddressGeneration(writer: MessageWriter, mode: AddressGenerationMode): void {
  const number = addressGenerationModes.indexOf(mode);
  writer.nest(IFLA_AF_SPEC, () => writer.nest(AF_INET6, () => writer.u8(IFLA_INET6_ADDR_GEN_MODE, number)));
}
