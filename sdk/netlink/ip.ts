// SPDX-License-Identifier: Apache-2.0
/** Addresses as netlink carries them: 4 bytes (IPv4) or 16 bytes (IPv6), network byte order, never IPv4-mapped. */

import {
  type Family,
  formatAddress,
  isMapped,
  MAPPED_OFFSET,
  parseAddress,
  parseMac,
  parsePrefix,
} from "../address.ts";
import { WeirError } from "../errors.ts";

/** An address for the wire. */
export interface WireAddress {
  readonly family: Family;
  readonly bytes: Uint8Array;
}

/** An address for the wire with its prefix length; bits behind the length are kept. */
export interface WirePrefix extends WireAddress {
  /** 0 to 32 or 128. */
  readonly length: number;
}

function wireBytes(family: Family, mapped: Uint8Array): Uint8Array {
  return family === 4 ? mapped.subarray(MAPPED_OFFSET) : mapped;
}

function unreadable(what: string, text: string): WeirError {
  return new WeirError({ code: "EINVAL", operation: `use "${text}"`, reason: `it is not an ${what}` });
}

/** Reads `192.0.2.1` or `2001:db8::1`. @throws WeirError `EINVAL` */
export function wireAddress(text: string): WireAddress {
  const address = parseAddress(text);
  if (address === undefined) throw unreadable("IPv4 or IPv6 address", text);
  return { family: address.family, bytes: wireBytes(address.family, address.bytes) };
}

/** Reads `192.0.2.0/24`; an address alone is its host prefix. @throws WeirError `EINVAL` */
export function wirePrefix(text: string): WirePrefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw unreadable("IPv4 or IPv6 prefix", text);
  return { family: prefix.family, bytes: wireBytes(prefix.family, prefix.bytes), length: prefix.length };
}

/** Reads an Ethernet address. @throws WeirError `EINVAL` */
export function wireMac(text: string): Uint8Array {
  const mac = parseMac(text);
  if (mac === undefined) throw unreadable('Ethernet address ("02:00:00:00:00:01")', text);
  return mac;
}

/** Text of 4 or 16 bytes. IPv4-mapped IPv6 keeps its IPv6 form, `::ffff:192.0.2.1`. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.byteLength === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  const text = formatAddress(bytes);
  return isMapped(bytes) ? `::ffff:${text}` : text;
}
