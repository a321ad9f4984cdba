// SPDX-License-Identifier: Apache-2.0
/** Addresses of links: list, add, delete (`linux/if_addr.h`). */

import type { Family } from "../address.ts";
import { AttributeTable } from "./attribute.ts";
import {
  familyNumber,
  ipFamily,
  LITTLE_ENDIAN,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_NEWADDR,
} from "./constants.ts";
import { addressText, wireAddress, wirePrefix } from "./ip.ts";
import type { MessageWriter, NetlinkMessage } from "./message.ts";
import { type Scope, scopeNumber, scopeOf } from "./scope.ts";
import type { NetlinkSocket } from "./socket.ts";

/** Bytes of `struct ifaddrmsg`: u8 family, u8 prefix length, u8 flags, u8 scope, u32 index. */
const IFADDRMSG_SIZE = 8;

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_LABEL = 3;
const IFA_BROADCAST = 4;
const IFA_CACHEINFO = 6;
const IFA_FLAGS = 8;

const IFA_F_SECONDARY = 0x01;
const IFA_F_NODAD = 0x02;
const IFA_F_DADFAILED = 0x08;
const IFA_F_DEPRECATED = 0x20;
const IFA_F_TENTATIVE = 0x40;
const IFA_F_PERMANENT = 0x80;
const IFA_F_NOPREFIXROUTE = 0x200;

/** Lifetime that never ends. */
const FOREVER = 0xffffffff;

/** An address of a link. */
export interface AddressInfo {
  readonly ifindex: number;
  readonly family: Family;
  /** The link's own address. */
  readonly address: string;
  /** 0 to 32 or 128. */
  readonly prefixLength: number;
  /** The other end of a point-to-point link. */
  readonly peer: string | undefined;
  readonly broadcast: string | undefined;
  /** IPv4: the name with which old tools show it. */
  readonly label: string | undefined;
  readonly scope: Scope;
  /** IPv6: duplicate address detection is under way; the address is not usable yet. */
  readonly tentative: boolean;
  /** IPv6: somebody else has it; the address is not usable. */
  readonly duplicate: boolean;
  /** Set by hand, not learned. */
  readonly permanent: boolean;
  /** IPv4: not the first of its prefix; IPv6: temporary. */
  readonly secondary: boolean;
  /** Not for new connections. */
  readonly deprecated: boolean;
  /** All flags (`IFA_F_*`). */
  readonly flags: number;
  /** Seconds; `Infinity` is for ever. */
  readonly validSeconds: number;
  readonly preferredSeconds: number;
}

/** An address to be added. */
export interface AddressSpec {
  readonly ifindex: number;
  /** `10.0.0.1/24`; without a length 32 or 128. */
  readonly address: string;
  /** The other end's address, on point-to-point links. The prefix length then belongs to it. */
  readonly peer?: string | undefined;
  readonly broadcast?: string | undefined;
  /** Default: `host` for loopback addresses, `link` for IPv6 link-local ones (the kernel's choice), else `universe`. */
  readonly scope?: Scope | undefined;
  /** IPv6: usable at once, without duplicate address detection. Default false. */
  readonly noDad?: boolean | undefined;
  /** Do not add the route to its prefix. Default false. */
  readonly noPrefixRoute?: boolean | undefined;
  /** Change an address that is there. Default false: it is then an error (`EEXIST`). */
  readonly replace?: boolean | undefined;
}

/** Which addresses to list; all fields must match. */
export interface AddressFilter {
  readonly ifindex?: number | undefined;
  readonly family?: Family | undefined;
}

const attributes = new AttributeTable(IFA_FLAGS);

/** Decodes an `RTM_NEWADDR` or `RTM_DELADDR` message; `undefined` for families other than IP. */
export function decodeAddress(message: NetlinkMessage): AddressInfo | undefined {
  const { view, start } = message;
  const family = ipFamily(view.getUint8(start));
  if (family === undefined) return undefined;
  const a = attributes.read(message, start + IFADDRMSG_SIZE, message.end);
  const address = a.bytes(IFA_ADDRESS);
  const local = a.bytes(IFA_LOCAL) ?? address;
  if (address === undefined || local === undefined) return undefined;
  const flags = a.u32(IFA_FLAGS) ?? view.getUint8(start + 2);
  const own = addressText(local);
  const other = addressText(address);
  const broadcast = a.bytes(IFA_BROADCAST);
  const cache = a.start(IFA_CACHEINFO);
  return {
    ifindex: view.getUint32(start + 4, LITTLE_ENDIAN),
    family,
    address: own,
    prefixLength: view.getUint8(start + 1),
    peer: other === own ? undefined : other,
    broadcast: broadcast === undefined ? undefined : addressText(broadcast),
    label: a.string(IFA_LABEL),
    scope: scopeOf(view.getUint8(start + 3)),
    tentative: (flags & IFA_F_TENTATIVE) !== 0,
    duplicate: (flags & IFA_F_DADFAILED) !== 0,
    permanent: (flags & IFA_F_PERMANENT) !== 0,
    secondary: (flags & IFA_F_SECONDARY) !== 0,
    deprecated: (flags & IFA_F_DEPRECATED) !== 0,
    flags,
    preferredSeconds: cache === 0 ? Number.POSITIVE_INFINITY : lifetime(view.getUint32(cache, LITTLE_ENDIAN)),
    validSeconds: cache === 0 ? Number.POSITIVE_INFINITY : lifetime(view.getUint32(cache + 4, LITTLE_ENDIAN)),
  };
}

function lifetime(seconds: number): number {
  return seconds === FOREVER ? Number.POSITIVE_INFINITY : seconds;
}

/** The addresses of the namespace that match. */
export function listAddresses(socket: NetlinkSocket, filter: AddressFilter = {}): AddressInfo[] {
  return socket.dump(
    "list addresses",
    RTM_GETADDR,
    (writer) => {
      const header = writer.reserve(IFADDRMSG_SIZE);
      writer.view.setUint8(header, familyNumber(filter.family));
      writer.view.setUint32(header + 4, filter.ifindex ?? 0, LITTLE_ENDIAN);
    },
    (message) => {
      const address = decodeAddress(message);
      // A dump over all families may ignore the filter by link in one of them.
      return filter.ifindex === undefined || address?.ifindex === filter.ifindex ? address : undefined;
    },
  );
}

/** Gives a link an address. @throws WeirError `EEXIST`, `ENODEV` */
export function addAddress(socket: NetlinkSocket, spec: AddressSpec): void {
  const flags = NLM_F_CREATE | (spec.replace === true ? NLM_F_REPLACE : NLM_F_EXCL);
  socket.request(`add address ${spec.address} to device ${spec.ifindex}`, RTM_NEWADDR, flags, (writer) =>
    writeAddress(writer, spec),
  );
}

/** Takes an address from a link. @throws WeirError `EADDRNOTAVAIL` if the link does not have it */
export function deleteAddress(socket: NetlinkSocket, spec: Pick<AddressSpec, "ifindex" | "address" | "peer">): void {
  socket.request(`delete address ${spec.address} from device ${spec.ifindex}`, RTM_DELADDR, 0, (writer) =>
    writeAddress(writer, spec),
  );
}

function writeAddress(writer: MessageWriter, spec: AddressSpec): void {
  const prefix = wirePrefix(spec.address);
  const header = writer.reserve(IFADDRMSG_SIZE);
  writer.view.setUint8(header, familyNumber(prefix.family));
  writer.view.setUint8(header + 1, prefix.length);
  writer.view.setUint8(header + 3, scopeNumber(spec.scope ?? defaultScope(prefix.family, prefix.bytes)));
  writer.view.setUint32(header + 4, spec.ifindex, LITTLE_ENDIAN);
  writer.bytes(IFA_LOCAL, prefix.bytes);
  writer.bytes(IFA_ADDRESS, spec.peer === undefined ? prefix.bytes : wireAddress(spec.peer).bytes);
  if (spec.broadcast !== undefined) writer.bytes(IFA_BROADCAST, wireAddress(spec.broadcast).bytes);
  const flags = (spec.noDad === true ? IFA_F_NODAD : 0) | (spec.noPrefixRoute === true ? IFA_F_NOPREFIXROUTE : 0);
  if (flags !== 0) writer.u32(IFA_FLAGS, flags);
}

/** IPv6 derives the scope from the address whatever the request says. */
function defaultScope(family: Family, bytes: Uint8Array): Scope {
  return family === 4 && bytes[0] === 127 ? "host" : "universe";
}
