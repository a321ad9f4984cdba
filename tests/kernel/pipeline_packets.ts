// SPDX-License-Identifier: Apache-2.0
/**
 * Builds and checks frames byte by byte, with its own checksum (RFC 1071): nothing here comes
 * from the code under test.
 */

export const MAC_A = "02:00:00:00:01:01";
export const MAC_B = "02:00:00:00:02:01";
export const GATEWAY_MAC = "00:00:5e:00:01:00";
export const BROADCAST = "ff:ff:ff:ff:ff:ff";

export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_RST = 0x04;
export const TCP_ACK = 0x10;

export function macBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split(":"), (byte) => Number.parseInt(byte, 16));
}

export function isV6(address: string): boolean {
  return address.includes(":");
}

/** 4 or 16 bytes. */
export function addressBytes(text: string): Uint8Array {
  if (!isV6(text)) return Uint8Array.from(text.split("."), Number);
  const [head = "", tail] = text.split("::");
  const words = (part: string) => (part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16)));
  const front = words(head);
  const back = tail === undefined ? [] : words(tail);
  const all = [...front, ...Array<number>(8 - front.length - back.length).fill(0), ...back];
  return Uint8Array.from(all.flatMap((word) => [word >> 8, word & 255]));
}

/** IPv4 as ::ffff:a.b.c.d. */
export function mappedBytes(text: string): Uint8Array {
  const bytes = addressBytes(text);
  return bytes.length === 16 ? bytes : concat(new Uint8Array(10), [255, 255], bytes);
}

export function concat(...parts: readonly ArrayLike<number>[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => Array.from(part)));
}

export function be16(value: number): number[] {
  return [(value >> 8) & 255, value & 255];
}

function be32(value: number): number[] {
  return [...be16(value >>> 16), ...be16(value & 0xffff)];
}

/** The ones' complement sum of 16-bit words, complemented; 0 over what has a right checksum. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export interface EthernetOptions {
  readonly from?: string;
  readonly to?: string;
  /** VLAN ids, the outermost first. */
  readonly vlans?: readonly number[];
}

export function ethernet(ethertype: number, payload: Uint8Array, o: EthernetOptions = {}): Uint8Array {
  const tags = (o.vlans ?? []).flatMap((vlan) => [...be16(0x8100), ...be16(vlan)]);
  return concat(macBytes(o.to ?? GATEWAY_MAC), macBytes(o.from ?? MAC_A), tags, be16(ethertype), payload);
}

export interface IpOptions extends EthernetOptions {
  readonly source: string;
  readonly destination: string;
  readonly ttl?: number;
  /** IPv4: multiple of 4 bytes. IPv6: extension headers, whole, `next` of the last one set to the protocol. */
  readonly options?: Uint8Array;
  /** IPv6: type of the first extension header in `options`. */
  readonly firstExtension?: number;
  /** IPv4: the 16 bits with flags and offset. */
  readonly fragment?: number;
}

/** An Ethernet frame with IPv4 or IPv6, by the address. */
export function ip(protocol: number, payload: Uint8Array, o: IpOptions): Uint8Array {
  return ethernet(isV6(o.source) ? 0x86dd : 0x0800, ipPacket(protocol, payload, o), o);
}

export function ipPacket(protocol: number, payload: Uint8Array, o: IpOptions): Uint8Array {
  const options = o.options ?? new Uint8Array(0);
  const source = addressBytes(o.source);
  const destination = addressBytes(o.destination);
  const ttl = o.ttl ?? 64;
  if (isV6(o.source)) {
    const next = options.length > 0 ? (o.firstExtension ?? 0) : protocol;
    const length = options.length + payload.length;
    return concat([0x60, 0, 0, 0], be16(length), [next, ttl], source, destination, options, payload);
  }
  const header = 20 + options.length;
  const first = [0x40 | (header / 4), 0, ...be16(header + payload.length), ...be16(0x1234), ...be16(o.fragment ?? 0)];
  const build = (sum: number) => concat(first, [ttl, protocol], be16(sum), source, destination, options);
  return concat(build(checksum(build(0))), payload);
}

/** Puts the checksum of the pseudo header and `segment` at `offset` of it. */
export function finish(segment: Uint8Array, offset: number, protocol: number, o: IpOptions): Uint8Array {
  const pseudo = concat(addressBytes(o.source), addressBytes(o.destination), be32(segment.length), be32(protocol));
  const sum = checksum(concat(protocol === 1 ? [] : pseudo, segment));
  return concat(segment.subarray(0, offset), be16(sum), segment.subarray(offset + 2));
}

export interface PortOptions extends IpOptions {
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly payload?: Uint8Array;
}

export function udpSegment(o: PortOptions): Uint8Array {
  const payload = o.payload ?? Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
  const ports = concat(be16(o.sourcePort ?? 1000), be16(o.destinationPort ?? 2000));
  return finish(concat(ports, be16(8 + payload.length), [0, 0], payload), 6, 17, o);
}

export function udp(o: PortOptions): Uint8Array {
  return ip(17, udpSegment(o), o);
}

export interface TcpOptions extends PortOptions {
  readonly flags: number;
  /** Sequence and acknowledgement numbers. Default 1. */
  readonly sequence?: number;
  readonly acknowledgement?: number;
  /** As it stands in the header. Default 512. */
  readonly window?: number;
  /** Options, a multiple of 4 bytes. */
  readonly tcpOptions?: ArrayLike<number>;
}

export function tcp(o: TcpOptions): Uint8Array {
  const options = o.tcpOptions ?? [];
  const ports = concat(be16(o.sourcePort ?? 1000), be16(o.destinationPort ?? 2000));
  const numbers = concat(be32(o.sequence ?? 1), be32(o.acknowledgement ?? 1));
  const header = concat([(5 + options.length / 4) << 4, o.flags], be16(o.window ?? 512), [0, 0, 0, 0], options);
  return ip(6, finish(concat(ports, numbers, header, o.payload ?? []), 16, 6, o), o);
}

export interface EchoOptions extends IpOptions {
  readonly type?: number;
  readonly identifier?: number;
  /** Bytes behind the header. Default 4. */
  readonly data?: number;
}

export function echo(o: EchoOptions): Uint8Array {
  const v6 = isV6(o.source);
  const type = o.type ?? (v6 ? 128 : 8);
  const data = concat([type, 0, 0, 0], be16(o.identifier ?? 77), be16(1), new Uint8Array(o.data ?? 4).fill(1));
  const protocol = v6 ? 58 : 1;
  return ip(protocol, finish(data, 2, protocol, o), o);
}

/** An ICMP or ICMPv6 error that quotes `packet` (without its Ethernet header). */
export function icmpError(type: number, code: number, packet: Uint8Array, o: IpOptions): Uint8Array {
  const protocol = isV6(o.source) ? 58 : 1;
  return ip(protocol, finish(concat([type, code, 0, 0, 0, 0, 0, 0], packet), 2, protocol, o), o);
}

export interface ArpOptions extends EthernetOptions {
  readonly sender: string;
  readonly target: string;
  readonly operation?: number;
}

export function arp(o: ArpOptions): Uint8Array {
  const from = macBytes(o.from ?? MAC_A);
  const head = concat(be16(1), be16(0x0800), [6, 4], be16(o.operation ?? 1));
  const body = concat(head, from, addressBytes(o.sender), new Uint8Array(6), addressBytes(o.target));
  return ethernet(0x0806, body, { to: BROADCAST, ...o });
}

/** A neighbour solicitation; `option` false leaves the source's MAC out. */
export function solicitation(o: IpOptions & { target: string; option?: boolean }): Uint8Array {
  const option = o.option === false ? [] : concat([1, 1], macBytes(o.from ?? MAC_A));
  const message = concat([135, 0, 0, 0, 0, 0, 0, 0], addressBytes(o.target), option);
  return ip(58, finish(message, 2, 58, o), { ttl: 255, ...o });
}

/** Whether all checksums of an untagged frame are right: IPv4 header, and TCP, UDP, ICMP, ICMPv6. */
export function checksumsAreRight(frame: Uint8Array): boolean {
  const v6 = frame[12] === 0x86;
  const packet = frame.subarray(14);
  const header = v6 ? 40 : ((packet[0] ?? 0) & 15) * 4;
  const protocol = (v6 ? packet[6] : packet[9]) ?? 0;
  const length = ((packet[v6 ? 4 : 2] ?? 0) << 8) | (packet[v6 ? 5 : 3] ?? 0);
  if (!v6 && checksum(packet.subarray(0, header)) !== 0) return false;
  const segment = packet.subarray(header, v6 ? 40 + length : length);
  const addresses = v6 ? packet.subarray(8, 40) : packet.subarray(12, 20);
  const pseudo = protocol === 1 ? [] : concat(addresses, be32(segment.length), be32(protocol));
  return checksum(concat(pseudo, segment)) === 0;
}
