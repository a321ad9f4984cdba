// SPDX-License-Identifier: Apache-2.0
/** Neighbours (ARP and neighbour discovery tables): list, look up, set, delete (`linux/neighbour.h`). */

import { type Family, formatMac } from "../address.ts";
import { WeirError } from "../errors.ts";
import { AttributeTable } from "./attribute.ts";
import {
  familyNumber,
  ipFamily,
  LITTLE_ENDIAN,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_NEWNEIGH,
} from "./constants.ts";
import { addressText, wireAddress, wireMac } from "./ip.ts";
import type { MessageWriter, NetlinkMessage } from "./message.ts";
import type { NetlinkSocket } from "./socket.ts";

/** Bytes of `struct ndmsg`: u8 family, u8, u16, i32 index, u16 state, u8 flags, u8 type. */
const NDMSG_SIZE = 12;

const NDA_DST = 1;
const NDA_LLADDR = 2;
const NDA_IFINDEX = 8;
const NDA_MASTER = 9;
const NDA_PROTOCOL = 12;
const NDA_FLAGS_EXT = 15;

const NTF_USE = 0x01;
const NTF_PROXY = 0x08;
const NTF_EXT_LEARNED = 0x10;
const NTF_ROUTER = 0x80;
const NTF_EXT_MANAGED = 0x01;

/** What the kernel knows of the neighbour's reachability (`NUD_*`). */
export type NeighbourState =
  | "none"
  | "incomplete"
  | "reachable"
  | "stale"
  | "delay"
  | "probe"
  | "failed"
  | "noarp"
  | "permanent";

const stateNumbers: Readonly<Record<NeighbourState, number>> = {
  none: 0x00,
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
};

const stateNames = new Map(
  (Object.entries(stateNumbers) as [NeighbourState, number][]).map(([name, number]) => [number, name]),
);

/** An entry of the neighbour table. */
export interface NeighbourInfo {
  readonly ifindex: number;
  readonly family: Family;
  /** The neighbour's IP address. */
  readonly address: string;
  /** Its link-layer address; `undefined` while it is not known. */
  readonly mac: string | undefined;
  readonly state: NeighbourState;
  /** It said that it is a router (IPv6). */
  readonly router: boolean;
  /** Entered by a control plane, not by the kernel's own resolution. */
  readonly externallyLearned: boolean;
  /** The kernel keeps it resolved on its own. */
  readonly managed: boolean;
  /** An address that the kernel answers for in a neighbour's stead. */
  readonly proxy: boolean;
  /** Who made the entry (`RTPROT_*`); 0 if not told. */
  readonly protocol: number;
}

/** Names an entry: a link and an address. */
export interface NeighbourKey {
  readonly ifindex: number;
  readonly address: string;
  /** A proxy is meant. Default false. */
  readonly proxy?: boolean | undefined;
}

/** An entry to be made or changed. */
export interface NeighbourSpec extends NeighbourKey {
  /** Needed for all states but `none`, `incomplete` and `failed`, and unless `resolve` is set. */
  readonly mac?: string | undefined;
  /** Default `permanent` where a MAC is given, else `none`. */
  readonly state?: NeighbourState | undefined;
  readonly router?: boolean | undefined;
  /** Mark as entered by a control plane: survives the kernel's garbage collection. */
  readonly externallyLearned?: boolean | undefined;
  /** Ask the neighbour for its address now. */
  readonly resolve?: boolean | undefined;
  /** Have the kernel keep it resolved. @since Linux 5.16 */
  readonly managed?: boolean | undefined;
  readonly protocol?: number | undefined;
  /** Fail with `EEXIST` if there is an entry. Default: it is changed. */
  readonly exclusive?: boolean | undefined;
}

/** Which entries to list; all fields must match. */
export interface NeighbourFilter {
  readonly ifindex?: number | undefined;
  readonly family?: Family | undefined;
  /** Index of the bridge or VRF device that the link belongs to. */
  readonly master?: number | undefined;
  /** The addresses that the kernel answers for in others' stead, instead of the neighbours. Default false. */
  readonly proxy?: boolean | undefined;
}

const attributes = new AttributeTable(NDA_FLAGS_EXT);

/** Decodes an `RTM_NEWNEIGH` or `RTM_DELNEIGH` message; `undefined` for bridge entries. */
export function decodeNeighbour(message: NetlinkMessage): NeighbourInfo | undefined {
  const { view, start } = message;
  const family = ipFamily(view.getUint8(start));
  const flags = view.getUint8(start + 10);
  if (family === undefined) return undefined;
  const a = attributes.read(message, start + NDMSG_SIZE, message.end);
  const address = a.bytes(NDA_DST);
  if (address === undefined) return undefined;
  const mac = a.bytes(NDA_LLADDR);
  return {
    ifindex: view.getInt32(start + 4, LITTLE_ENDIAN),
    family,
    address: addressText(address),
    mac: mac?.byteLength === 6 ? formatMac(mac) : undefined,
    state: stateNames.get(view.getUint16(start + 8, LITTLE_ENDIAN)) ?? "none",
    router: (flags & NTF_ROUTER) !== 0,
    externallyLearned: (flags & NTF_EXT_LEARNED) !== 0,
    proxy: (flags & NTF_PROXY) !== 0,
    managed: ((a.u32(NDA_FLAGS_EXT) ?? 0) & NTF_EXT_MANAGED) !== 0,
    protocol: a.u8(NDA_PROTOCOL) ?? 0,
  };
}

/** The entries of the namespace that match. */
export function listNeighbours(socket: NetlinkSocket, filter: NeighbourFilter = {}): NeighbourInfo[] {
  return socket.dump(
    "list neighbours",
    RTM_GETNEIGH,
    (writer) => {
      const header = writer.reserve(NDMSG_SIZE);
      writer.view.setUint8(header, familyNumber(filter.family));
      writer.view.setUint8(header + 10, filter.proxy === true ? NTF_PROXY : 0);
      if (filter.ifindex !== undefined) writer.u32(NDA_IFINDEX, filter.ifindex);
      if (filter.master !== undefined) writer.u32(NDA_MASTER, filter.master);
    },
    (message) => {
      const neighbour = decodeNeighbour(message);
      // Proxies are not filtered by link.
      return filter.ifindex === undefined || neighbour?.ifindex === filter.ifindex ? neighbour : undefined;
    },
  );
}

/** One entry; `undefined` if there is none. */
export function findNeighbour(socket: NetlinkSocket, key: NeighbourKey): NeighbourInfo | undefined {
  try {
    return socket.get(
      `look up neighbour ${key.address} on device ${key.ifindex}`,
      RTM_GETNEIGH,
      (writer) => {
        // The lookup refuses requests with a state (strict checking).
        writeKey(writer, key, 0, 0);
      },
      decodeNeighbour,
    );
  } catch (error) {
    if (error instanceof WeirError && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Makes an entry or changes it, or a proxy. @throws WeirError `ENODEV`, `EEXIST` with `exclusive` */
export function setNeighbour(socket: NetlinkSocket, spec: NeighbourSpec): void {
  const flags = NLM_F_CREATE | (spec.exclusive === true ? NLM_F_EXCL : NLM_F_REPLACE);
  const state = spec.state ?? (spec.mac === undefined ? "none" : "permanent");
  const entryFlags =
    (spec.resolve === true ? NTF_USE : 0) |
    (spec.router === true ? NTF_ROUTER : 0) |
    (spec.externallyLearned === true ? NTF_EXT_LEARNED : 0) |
    (spec.proxy === true ? NTF_PROXY : 0);
  socket.request(`set neighbour ${spec.address} on device ${spec.ifindex}`, RTM_NEWNEIGH, flags, (writer) => {
    writeKey(writer, spec, stateNumbers[state], entryFlags);
    if (spec.mac !== undefined) writer.bytes(NDA_LLADDR, wireMac(spec.mac));
    if (spec.protocol !== undefined) writer.u8(NDA_PROTOCOL, spec.protocol);
    if (spec.managed === true) writer.u32(NDA_FLAGS_EXT, NTF_EXT_MANAGED);
  });
}

/** Removes an entry. @throws WeirError `ENOENT` if there is none */
export function deleteNeighbour(socket: NetlinkSocket, key: NeighbourKey): void {
  socket.request(`delete neighbour ${key.address} on device ${key.ifindex}`, RTM_DELNEIGH, 0, (writer) =>
    writeKey(writer, key, 0, key.proxy === true ? NTF_PROXY : 0),
  );
}

function writeKey(writer: MessageWriter, key: NeighbourKey, state: number, flags: number): void {
  const address = wireAddress(key.address);
  const header = writer.reserve(NDMSG_SIZE);
  writer.view.setUint8(header, familyNumber(address.family));
  writer.view.setInt32(header + 4, key.ifindex, LITTLE_ENDIAN);
  writer.view.setUint16(header + 8, state, LITTLE_ENDIAN);
  writer.view.setUint8(header + 10, flags);
  writer.bytes(NDA_DST, address.bytes);
}
