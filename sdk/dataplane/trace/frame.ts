// SPDX-License-Identifier: Apache-2.0
/** Builds a frame from its fields: Ethernet, perhaps a VLAN tag, IPv4 or IPv6, and the upper layer, with right checksums. */
import { type IpAddress, MAPPED_OFFSET, parseAddress, parseMac } from "../../address.ts";
import { WeirError } from "../../errors.ts";
import { protocolNumber } from "../flows/codec.ts";
import { insertTag } from "./frame_tag.ts";

/** Flags of a TCP header. */
export type TcpFlag = "fin" | "syn" | "rst" | "psh" | "ack";

/** A packet by its fields. */
export interface PacketFields {
  /** IPv4 or IPv6 address. */
  readonly dst: string;
  /** Default: the interface's first own address of the same family. */
  readonly src?: string | undefined;
  /** tcp, udp, icmp, icmpv6, sctp, gre, esp or a number, 0 to 255. Default: icmp or icmpv6, by the addresses. */
  readonly proto?: string | number | undefined;
  /** 0 to 65535; tcp, udp, sctp. Default 49152. */
  readonly sport?: number | undefined;
  /** 0 to 65535; tcp, udp, sctp. Default 80. */
  readonly dport?: number | undefined;
  /** ICMP type, 0 to 255. Default: echo request. */
  readonly type?: number | undefined;
  /** ICMP code, 0 to 255. Default 0. */
  readonly code?: number | undefined;
  /** Default: syn. */
  readonly flags?: readonly TcpFlag[] | undefined;
  /** VLAN id 0 to 4094; 0: untagged. Default: that of the interface. */
  readonly vlan?: number | undefined;
  /** 0 to 63. Default 0. */
  readonly dscp?: number | undefined;
  /** TTL or hop limit, 0 to 255. Default 64. */
  readonly ttl?: number | undefined;
  /** Bytes of the whole frame, up to 3500. Default: the headers alone. */
  readonly size?: number | undefined;
  /** Default: that of the interface's workload, if known. */
  readonly srcMac?: string | undefined;
  /** Default: that of the gateway, so that the packet is routed; of a group, its own. */
  readonly dstMac?: string | undefined;
}

/** What fields have that are not given. */
export interface FrameDefaults {
  readonly sourceMac: string;
  readonly destinationMac: string;
  readonly vlan?: number;
  readonly source4?: string;
  readonly source6?: string;
}

const ETHERNET = 14;
const TAG = 4;
const MAX_FRAME = 3500;
const ICMP = 1;
const TCP = 6;
const UDP = 17;
const ICMPV6 = 58;
const SCTP = 132;
/** Bytes of the upper layer's header. Of others it is payload. */
const UPPER: Readonly<Record<number, number>> = { [ICMP]: 8, [TCP]: 20, [UDP]: 8, [ICMPV6]: 8, [SCTP]: 12 };
/** Where the upper layer's checksum is. SCTP's (a CRC32c) is left 0. */
const CHECKSUM: Readonly<Record<number, number>> = { [ICMP]: 2, [TCP]: 16, [UDP]: 6, [ICMPV6]: 2 };
const WITH_PORTS: ReadonlySet<number> = new Set([TCP, UDP, SCTP]);
const TCP_FLAGS: Readonly<Record<TcpFlag, number>> = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 };
const ECHO_IDENTIFIER = 1;

function refuse(name: keyof PacketFields, reason: string, hint?: string): WeirError {
  return new WeirError({ code: "EINVAL", operation: "build a packet", reason, hint, field: `/${name}` });
}

/** An integer field, or its default. */
function number(name: keyof PacketFields, value: number | undefined, otherwise: number, most: number): number {
  const given = value ?? otherwise;
  if (Number.isInteger(given) && given >= 0 && given <= most) return given;
  throw refuse(name, `${name} is ${given}`, `give a number from 0 to ${most}`);
}

function address(name: "src" | "dst", text: string): IpAddress {
  const parsed = parseAddress(text);
  if (parsed === undefined)
    throw refuse(name, `${name} is "${text}", which is no address`, "write 10.0.0.1 or 2001:db8::1");
  return parsed;
}

function mac(name: "srcMac" | "dstMac", text: string): Uint8Array {
  const parsed = parseMac(text);
  if (parsed === undefined)
    throw refuse(name, `${name} is "${text}", which is no MAC address`, "write 02:00:00:00:00:01");
  return parsed;
}

/** The frame. @throws WeirError `EINVAL` that names the field. */
export function buildFrame(fields: PacketFields, defaults: FrameDefaults): Uint8Array {
  const destination = address("dst", fields.dst);
  const { family } = destination;
  const src = fields.src ?? (family === 4 ? defaults.source4 : defaults.source6);
  if (src === undefined)
    throw refuse("src", `src is missing, and the interface has no IPv${family} address of its own`);
  const source = address("src", src);
  if (source.family !== family) throw refuse("src", `src "${src}" and dst "${fields.dst}" are of different families`);
  const protocol = protocolOf(fields, family);
  const vlan = number("vlan", fields.vlan, defaults.vlan ?? 0, 4094);
  const headers = ETHERNET + (family === 4 ? 20 : 40) + (UPPER[protocol] ?? 0);
  const tag = vlan === 0 ? 0 : TAG;
  const size = number("size", fields.size, headers + tag, MAX_FRAME);
  if (size < headers + tag) throw refuse("size", `size is ${size}, and the headers have ${headers + tag} bytes`);

  const frame = new Uint8Array(size - tag);
  frame.set(mac("dstMac", fields.dstMac ?? groupMac(destination) ?? defaults.destinationMac), 0);
  frame.set(mac("srcMac", fields.srcMac ?? defaults.sourceMac), 6);
  new DataView(frame.buffer).setUint16(12, family === 4 ? 0x0800 : 0x86dd);
  const packet = frame.subarray(ETHERNET);
  const upper = packet.subarray(family === 4 ? 20 : 40);
  writeUpper(upper, protocol, fields);
  const ends = { source: source.bytes, destination: destination.bytes, protocol, family };
  if (family === 4) writeIpv4(packet, ends, fields);
  else writeIpv6(packet, ends, fields);
  finishUpper(upper, ends);
  return insertTag(frame, vlan);
}

interface Ends {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly protocol: number;
  readonly family: 4 | 6;
}

function protocolOf(fields: PacketFields, family: 4 | 6): number {
  const { proto } = fields;
  const protocol = proto === undefined ? (family === 4 ? ICMP : ICMPV6) : protocolNumber(String(proto));
  if (protocol === undefined)
    throw refuse("proto", `proto "${proto}" is no protocol`, "use a name such as tcp, or 0 to 255");
  for (const name of ["sport", "dport"] as const) {
    if (fields[name] !== undefined && !WITH_PORTS.has(protocol))
      throw refuse(name, `${name} is given, and the protocol has no ports`, "use proto tcp, udp or sctp");
  }
  for (const name of ["type", "code"] as const) {
    if (fields[name] !== undefined && protocol !== ICMP && protocol !== ICMPV6)
      throw refuse(name, `${name} is given, and the protocol is not ICMP`, "use proto icmp or icmpv6");
  }
  if (fields.flags !== undefined && protocol !== TCP)
    throw refuse("flags", "flags are given, and the protocol is not TCP");
  return protocol;
}

/** MAC of a group address (RFC 1112 section 6.4, RFC 2464 section 7); `undefined` for that of one host. */
function groupMac({ family, bytes }: IpAddress): string | undefined {
  const hex = (...parts: number[]) => parts.map((part) => part.toString(16).padStart(2, "0")).join(":");
  const at = (index: number) => bytes[index] ?? 0;
  if (family === 6) return at(0) === 0xff ? hex(0x33, 0x33, at(12), at(13), at(14), at(15)) : undefined;
  if (bytes.subarray(MAPPED_OFFSET).every((byte) => byte === 255)) return "ff:ff:ff:ff:ff:ff";
  return at(12) >> 4 === 14 ? hex(0x01, 0x00, 0x5e, at(13) & 0x7f, at(14), at(15)) : undefined;
}

function writeIpv4(packet: Uint8Array, ends: Ends, fields: PacketFields): void {
  const view = new DataView(packet.buffer, packet.byteOffset);
  view.setUint16(0, 0x4500 | (number("dscp", fields.dscp, 0, 63) << 2));
  view.setUint16(2, packet.byteLength);
  // Don't fragment, as hosts that find their path's MTU send (RFC 1191).
  view.setUint16(6, 0x4000);
  packet[8] = number("ttl", fields.ttl, 64, 255);
  packet[9] = ends.protocol;
  packet.set(ends.source.subarray(MAPPED_OFFSET), 12);
  packet.set(ends.destination.subarray(MAPPED_OFFSET), 16);
  view.setUint16(10, checksum(packet.subarray(0, 20), 0));
}

function writeIpv6(packet: Uint8Array, ends: Ends, fields: PacketFields): void {
  const view = new DataView(packet.buffer, packet.byteOffset);
  view.setUint32(0, 0x6000_0000 + number("dscp", fields.dscp, 0, 63) * 2 ** 22);
  view.setUint16(4, packet.byteLength - 40);
  packet[6] = ends.protocol;
  packet[7] = number("ttl", fields.ttl, 64, 255);
  packet.set(ends.source, 8);
  packet.set(ends.destination, 24);
}

function writeUpper(upper: Uint8Array, protocol: number, fields: PacketFields): void {
  const view = new DataView(upper.buffer, upper.byteOffset);
  if (WITH_PORTS.has(protocol)) {
    view.setUint16(0, number("sport", fields.sport, 49152, 65535));
    view.setUint16(2, number("dport", fields.dport, 80, 65535));
  }
  if (protocol === UDP) view.setUint16(4, upper.byteLength);
  if (protocol === TCP) {
    view.setUint16(12, 0x5000 | (fields.flags ?? ["syn"]).reduce((bits, flag) => bits | TCP_FLAGS[flag], 0));
    view.setUint16(14, 65535);
  }
  if (protocol === ICMP || protocol === ICMPV6) {
    upper[0] = number("type", fields.type, protocol === ICMP ? 8 : 128, 255);
    upper[1] = number("code", fields.code, 0, 255);
    view.setUint16(4, ECHO_IDENTIFIER);
    view.setUint16(6, 1);
  }
}

function finishUpper(upper: Uint8Array, { source, destination, protocol, family }: Ends): void {
  const at = CHECKSUM[protocol];
  if (at === undefined) return;
  const from = family === 4 ? MAPPED_OFFSET : 0;
  // Only ICMP of IPv4 has no pseudo header.
  const pseudo =
    protocol === ICMP ? 0 : sum(source.subarray(from)) + sum(destination.subarray(from)) + protocol + upper.byteLength;
  const value = checksum(upper, pseudo);
  // RFC 768: 0 would say that there is none.
  new DataView(upper.buffer, upper.byteOffset).setUint16(at, protocol === UDP && value === 0 ? 0xffff : value);
}

/** Sum of 16-bit words, an odd byte padded with 0. */
function sum(bytes: Uint8Array): number {
  let total = 0;
  for (let i = 0; i < bytes.byteLength; i += 2) total += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  return total;
}

/** RFC 1071, with what is summed besides. */
function checksum(bytes: Uint8Array, besides: number): number {
  let total = sum(bytes) + besides;
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000);
  return ~total & 0xffff;
}
