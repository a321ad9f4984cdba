// SPDX-License-Identifier: Apache-2.0
/** Where the headers of a frame are, also in tunnels and behind ICMP errors: for those that spoil them. */

import { be16, checksum } from "../pipeline_packets.ts";

export type HeaderKind =
  | "ethernet"
  | "tag"
  | "arp"
  | "ipv4"
  | "ipv4-options"
  | "ipv6"
  | "extension"
  | "fragment"
  | "udp"
  | "tcp"
  | "tcp-options"
  | "icmp"
  | "icmpv6"
  | "sctp"
  | "gre"
  | "vxlan"
  | "mpls"
  | "data";

export interface Header {
  readonly kind: HeaderKind;
  readonly at: number;
}

const TAGS = [0x8100, 0x88a8];
const EXTENSIONS = [0, 43, 51, 60];
const FRAGMENT = 44;
const MAX_HEADERS = 40;

class Walk {
  readonly found: Header[] = [];
  readonly #frame: Uint8Array;
  readonly #length: number;

  constructor(frame: Uint8Array, length: number) {
    this.#frame = frame;
    this.#length = length;
  }

  #u8(at: number): number {
    return this.#frame[at] ?? 0;
  }

  #u16(at: number): number {
    return (this.#u8(at) << 8) | this.#u8(at + 1);
  }

  #add(kind: HeaderKind, at: number): boolean {
    if (at >= this.#length || this.found.length >= MAX_HEADERS) return false;
    this.found.push({ kind, at });
    return true;
  }

  ethernet(at: number): void {
    if (!this.#add("ethernet", at)) return;
    let next = at + 14;
    let type = this.#u16(at + 12);
    while (TAGS.includes(type) && this.#add("tag", next)) {
      type = this.#u16(next + 2);
      next += 4;
    }
    if (type === 0x0800) this.#ipv4(next);
    else if (type === 0x86dd) this.#ipv6(next);
    else this.#add(type === 0x0806 ? "arp" : "data", next);
  }

  #ipv4(at: number): void {
    if (!this.#add("ipv4", at)) return;
    const size = Math.max(20, (this.#u8(at) & 15) * 4);
    if (size > 20) this.#add("ipv4-options", at + 20);
    const later = (this.#u16(at + 6) & 0x1fff) !== 0;
    if (later) this.#add("data", at + size);
    else this.#upper(this.#u8(at + 9), at + size);
  }

  #ipv6(at: number): void {
    if (!this.#add("ipv6", at)) return;
    let protocol = this.#u8(at + 6);
    let next = at + 40;
    for (;;) {
      const fragment = protocol === FRAGMENT;
      if (!fragment && !EXTENSIONS.includes(protocol)) break;
      if (!this.#add(fragment ? "fragment" : "extension", next)) return;
      if (fragment && (this.#u16(next + 2) & 0xfff8) !== 0) {
        this.#add("data", next + 8);
        return;
      }
      const authentication = protocol === 51;
      protocol = this.#u8(next);
      next += fragment ? 8 : (this.#u8(next + 1) + (authentication ? 2 : 1)) * (authentication ? 4 : 8);
    }
    this.#upper(protocol, next);
  }

  #upper(protocol: number, at: number): void {
    switch (protocol) {
      case 1:
      case 58:
        if (this.#add(protocol === 1 ? "icmp" : "icmpv6", at)) this.#quoted(protocol, at);
        return;
      case 4:
        this.#ipv4(at);
        return;
      case 6:
        if (this.#add("tcp", at) && this.#u8(at + 12) >> 4 > 5) this.#add("tcp-options", at + 20);
        return;
      case 17:
        if (this.#add("udp", at)) this.#tunnel(this.#u16(at + 2), at + 8);
        return;
      case 41:
        this.#ipv6(at);
        return;
      case 47:
        if (this.#add("gre", at) && this.#u16(at + 2) === 0x8847) this.#mpls(at + 4);
        return;
      case 132:
        this.#add("sctp", at);
        return;
      default:
        this.#add("data", at);
    }
  }

  #quoted(protocol: number, at: number): void {
    const type = this.#u8(at);
    if (protocol === 58 ? type < 128 : [3, 4, 5, 11, 12].includes(type)) this.#byVersion(at + 8);
    else this.#add("data", at + 8);
  }

  #tunnel(port: number, at: number): void {
    if (port === 4789) {
      if (this.#add("vxlan", at)) this.ethernet(at + 8);
    } else if (port === 6635 || port === 51234) this.#mpls(at);
    else this.#add("data", at);
  }

  #mpls(at: number): void {
    if (!this.#add("mpls", at)) return;
    if ((this.#u8(at + 2) & 1) === 0) this.#mpls(at + 4);
    else this.#byVersion(at + 4);
  }

  #byVersion(at: number): void {
    const version = this.#u8(at) >> 4;
    if (version === 4) this.#ipv4(at);
    else if (version === 6) this.#ipv6(at);
    else this.ethernet(at);
  }
}

/** All headers of the first `length` bytes, the outermost first. */
export function headersOf(frame: Uint8Array, length = frame.length): Header[] {
  const walk = new Walk(frame, length);
  walk.ethernet(0);
  return walk.found;
}

/** Makes the checksums of all IPv4 headers right, as far as they are there. */
export function repairChecksums(frame: Uint8Array, headers: readonly Header[], length = frame.length): void {
  for (const { kind, at } of headers.toReversed()) {
    const size = ((frame[at] ?? 0) & 15) * 4;
    if (kind !== "ipv4" || size < 20 || at + size > length) continue;
    frame.fill(0, at + 10, at + 12);
    frame.set(be16(checksum(frame.subarray(at, at + size))), at + 10);
  }
}

/** Makes the lengths of all IP and UDP headers end where the frame does. */
export function repairLengths(frame: Uint8Array, headers: readonly Header[], length = frame.length): void {
  for (const { kind, at } of headers) {
    if (kind === "ipv4" && at + 4 <= length) frame.set(be16(length - at), at + 2);
    else if (kind === "ipv6" && at + 40 <= length) frame.set(be16(length - at - 40), at + 4);
    else if (kind === "udp" && at + 6 <= length) frame.set(be16(length - at), at + 4);
  }
}
