// SPDX-License-Identifier: Apache-2.0
/** Frames between two workloads that a router has to forward. */

import { echo, icmpError, ip, ipPacket, TCP_SYN, tcp, udp, udpSegment } from "./pipeline_packets.ts";

export const V4 = { source: "10.97.0.1", destination: "10.97.0.2" };
export const V6 = { source: "fd00:97::1", destination: "fd00:97::2" };

/** Frames that are to be routed. */
export const routable: readonly [string, Uint8Array][] = [
  ["UDP over IPv4", udp(V4)],
  ["UDP over IPv6", udp(V6)],
  ["TCP over IPv4", tcp({ ...V4, flags: TCP_SYN })],
  ["TCP over IPv6", tcp({ ...V6, flags: TCP_SYN })],
  ["an ICMP echo", echo(V4)],
  ["an ICMPv6 echo", echo(V6)],
  ["a TTL of 2", udp({ ...V4, ttl: 2 })],
  ["a TTL of 255", udp({ ...V4, ttl: 255 })],
  ["an IPv4 checksum that wraps", wrapping()],
  ["IPv4 options", udp({ ...V4, options: Uint8Array.from([0x94, 4, 0, 0, 1, 1, 1, 0]) })],
  ["40 bytes of IPv4 options", udp({ ...V4, options: new Uint8Array(40).fill(1) })],
  ["a first IPv4 fragment", udp({ ...V4, fragment: 0x2000 })],
  ["a later IPv4 fragment", ip(17, new Uint8Array(40), { ...V4, fragment: 0x2010 })],
  ["an unknown upper protocol", ip(99, new Uint8Array(12), V4)],
  ["an IP packet without payload", ip(99, new Uint8Array(0), V4)],
  [
    "an ICMP error",
    icmpError(3, 3, ipPacket(17, udpSegment(V4), { source: V4.destination, destination: V4.source }), V4),
  ],
];

/** A packet whose header checksum is 0xfeff or more before the TTL falls. */
function wrapping(): Uint8Array {
  for (let port = 0; port < 0x10000; port++) {
    const frame = ip(99, new Uint8Array(2), {
      ...V4,
      fragment: 0,
      ttl: 64,
      destination: "10.97.0.2",
      source: `10.97.${port >> 8}.${port & 255}`,
    });
    if ((frame[24] ?? 0) >= 0xfe && (frame[25] ?? 0) >= 0xf0) return frame;
  }
  throw new Error("no such packet");
}

/** Name, type of the first header, and all bytes up to the upper layer. */
export const extensions: readonly [string, number, number[]][] = [
  ["hop-by-hop options", 0, [17, 0, 1, 4, 0, 0, 0, 0]],
  ["destination options", 60, [17, 0, 1, 4, 0, 0, 0, 0]],
  ["a long destination options header", 60, [17, 3, 1, 28, ...Array<number>(28).fill(0)]],
  ["a routing header", 43, [17, 0, 4, 0, 0, 0, 0, 0]],
  ["an authentication header", 51, [17, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, ...Array<number>(12).fill(9)]],
  ["an atomic fragment", 44, [17, 0, 0, 0, 0, 0, 0, 1]],
  ["a first fragment", 44, [17, 0, 0, 1, 0, 0, 0, 1]],
  [
    "hop-by-hop, routing and destination options",
    0,
    [43, 0, 1, 4, 0, 0, 0, 0, 60, 0, 4, 0, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0],
  ],
];
