// SPDX-License-Identifier: Apache-2.0
/** Packets for tests, written and read byte by byte, independently of the code under test. */

import { parseAddress, parseMac } from "../../sdk/address.ts";

/** RFC 1071 section 4.1, as written there: 16-bit words in network order. */
export function referenceChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65536);
  return ~sum & 0xffff;
}

const be16 = (value: number): number[] => [(value >> 8) & 255, value & 255];
const be32 = (value: number): number[] => [...be16(value >>> 16), ...be16(value & 0xffff)];

export const MAC_A = "02:00:00:00:01:01";
export const MAC_GATEWAY = "00:00:5e:00:01:00";

export function mac(text: string): number[] {
  const bytes = parseMac(text);
  if (bytes === undefined) throw new Error(text);
  return [...bytes];
}

/** The 4 or 16 bytes of an address. */
export function address(text: string): number[] {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(text);
  return [...(parsed.family === 4 ? parsed.bytes.subarray(12) : parsed.bytes)];
}

/** The 16 bytes of the mapped form. */
export function mapped(text: string): number[] {
  return [...(parseAddress(text)?.bytes ?? [])];
}

export interface PacketOptions {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  /** The upper layer's header and data. */
  readonly payload: readonly number[];
  readonly ethernetSource?: string;
  readonly ethernetDestination?: string;
  readonly ttl?: number;
  /** IPv4: the fragment word; IPv6: with it a fragment header is added. */
  readonly fragment?: number;
  /** IPv4 options or IPv6 extension headers; for the latter `protocol` is the last one's. */
  readonly options?: readonly number[];
  /** Type of the first IPv6 extension header in `options`. */
  readonly firstExtension?: number;
  /** 802.1Q tags. */
  readonly vlans?: readonly number[];
  /** Bytes behind the IP packet. */
  readonly padding?: number;
}

export function packet(o: PacketOptions): Uint8Array {
  const v4 = !o.source.includes(":");
  const tags = (o.vlans ?? []).flatMap((vlan) => [0x81, 0x00, ...be16(vlan)]);
  const ethernet = [...mac(o.ethernetDestination ?? MAC_GATEWAY), ...mac(o.ethernetSource ?? MAC_A), ...tags];
  const header = v4 ? ipv4(o) : ipv6(o);
  const type = v4 ? [0x08, 0x00] : [0x86, 0xdd];
  return Uint8Array.from([...ethernet, ...type, ...header, ...o.payload, ...new Array<number>(o.padding ?? 0).fill(0)]);
}

function ipv4(o: PacketOptions): number[] {
  const options = o.options ?? [];
  const length = 20 + options.length + o.payload.length;
  const header = [
    0x45 + options.length / 4,
    0,
    ...be16(length),
    ...be16(0x1234),
    ...be16(o.fragment ?? 0x4000),
    o.ttl ?? 64,
    o.protocol,
    0,
    0,
    ...address(o.source),
    ...address(o.destination),
    ...options,
  ];
  const check = referenceChecksum(Uint8Array.from(header));
  header.splice(10, 2, ...be16(check));
  return header;
}

function ipv6(o: PacketOptions): number[] {
  const fragment = o.fragment === undefined ? [] : [o.protocol, 0, ...be16(o.fragment), ...be32(99)];
  const options = o.options ?? [];
  const next = o.firstExtension ?? (o.fragment === undefined ? o.protocol : 44);
  const length = options.length + fragment.length + o.payload.length;
  const fixed = [0x60, 0, 0, 0, ...be16(length), next, o.ttl ?? 64];
  return [...fixed, ...address(o.source), ...address(o.destination), ...options, ...fragment];
}

export function udp(source: number, destination: number, data: readonly number[] = []): number[] {
  return [...be16(source), ...be16(destination), ...be16(8 + data.length), 0, 0, ...data];
}

export interface TcpOptions {
  readonly sequence?: number;
  readonly acknowledgement?: number;
  readonly flags?: number;
  readonly data?: readonly number[];
}

export function tcp(source: number, destination: number, o: TcpOptions = {}): number[] {
  return [
    ...be16(source),
    ...be16(destination),
    ...be32(o.sequence ?? 1000),
    ...be32(o.acknowledgement ?? 0),
    0x50,
    o.flags ?? 2,
    ...be16(65535),
    0,
    0,
    0,
    0,
    ...(o.data ?? []),
  ];
}

export function icmp(type: number, code: number, rest: readonly number[] = [0, 7, 0, 1]): number[] {
  return [type, code, 0, 0, ...rest];
}

/** The pseudo header of TCP, UDP and ICMPv6 over either family. */
export function pseudoHeader(source: string, destination: string, protocol: number, length: number): number[] {
  return [...address(source), ...address(destination), ...be32(length), ...be32(protocol)];
}
