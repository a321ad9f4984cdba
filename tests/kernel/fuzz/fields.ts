// SPDX-License-Identifier: Apache-2.0
/** The fields of headers that say what follows and how long it is, and the values that lie about it. */

import type { HeaderKind } from "./headers.ts";

export interface Field {
  readonly name: string;
  readonly offset: number;
  /** 1 or 2. */
  readonly bytes: 1 | 2;
  /** Bits of the field that the values replace; the others stay. */
  readonly mask: number;
  readonly values: readonly number[];
}

const ALL_BITS = { 1: 0xff, 2: 0xffff } as const;
const LENGTHS = [0, 1, 7, 8, 19, 20, 21, 39, 40, 60, 0x7fff, 0x8000, 0xfffe, 0xffff];
const NIBBLES = Array.from({ length: 16 }, (_, value) => value);
const PROTOCOLS = [0, 1, 2, 4, 6, 17, 41, 43, 44, 47, 50, 51, 58, 59, 60, 99, 132, 135, 255];
const ETHERTYPES = [0, 46, 0x05dc, 0x0800, 0x0806, 0x8100, 0x86dd, 0x8847, 0x88a8, 0xffff];
const PORTS = [0, 53, 67, 68, 546, 547, 4789, 6635, 51234, 0xffff];

function field(name: string, offset: number, bytes: 1 | 2, values: readonly number[], mask?: number): Field {
  return { name, offset, bytes, values, mask: mask ?? ALL_BITS[bytes] };
}

function high(values: readonly number[]): number[] {
  return values.map((value) => value << 4);
}

const OPTION_BYTES = [0, 1, 2, 3, 4, 5, 8, 40, 254, 255];

export const fields: Readonly<Record<HeaderKind, readonly Field[]>> = {
  ethernet: [field("group bit", 0, 1, [0, 1], 1), field("type", 12, 2, ETHERTYPES)],
  tag: [field("id", 0, 2, [0, 10, 4095], 0x0fff), field("type", 2, 2, ETHERTYPES)],
  arp: [
    field("hardware", 0, 2, [0, 6]),
    field("protocol", 2, 2, ETHERTYPES),
    field("lengths", 4, 2, [0, 0x0604, 0x0610, 0xffff]),
    field("operation", 6, 2, [0, 1, 2, 3, 8]),
  ],
  ipv4: [
    field("version", 0, 1, high(NIBBLES), 0xf0),
    field("header length", 0, 1, NIBBLES, 0x0f),
    field("total length", 2, 2, LENGTHS),
    field("flags", 6, 2, [0x2000, 0x4000, 0x6000, 0x8000, 0xe000], 0xe000),
    field("fragment offset", 6, 2, [0, 1, 2, 0x1ff, 0x1fff], 0x1fff),
    field("TTL", 8, 1, [0, 1, 2, 255]),
    field("protocol", 9, 1, PROTOCOLS),
  ],
  "ipv4-options": [field("type", 0, 1, OPTION_BYTES), field("length", 1, 1, OPTION_BYTES)],
  ipv6: [
    field("version", 0, 1, high(NIBBLES), 0xf0),
    field("payload length", 4, 2, LENGTHS),
    field("next header", 6, 1, PROTOCOLS),
    field("hop limit", 7, 1, [0, 1, 2, 255]),
  ],
  extension: [field("next header", 0, 1, PROTOCOLS), field("length", 1, 1, [0, 1, 2, 31, 32, 63, 64, 255])],
  fragment: [field("next header", 0, 1, PROTOCOLS), field("offset", 2, 2, [0, 1, 7, 8, 9, 0xfff8, 0xffff])],
  udp: [field("source", 0, 2, PORTS), field("destination", 2, 2, PORTS), field("length", 4, 2, LENGTHS)],
  tcp: [field("data offset", 12, 1, high(NIBBLES), 0xf0), field("flags", 13, 1, [0, 1, 2, 4, 0x12, 0x3f, 0xff])],
  "tcp-options": [0, 1, 2, 3, 4, 5].map((at) => field(`byte ${at}`, at, 1, OPTION_BYTES)),
  icmp: [field("type", 0, 1, [0, 3, 4, 5, 8, 11, 12, 13, 14, 18, 255]), field("code", 1, 1, [0, 4, 255])],
  icmpv6: [
    field("type", 0, 1, [0, 1, 2, 4, 127, 128, 129, 130, 133, 135, 136, 139, 143, 255]),
    field("code", 1, 1, [0, 4, 255]),
  ],
  sctp: [field("source", 0, 2, PORTS)],
  gre: [field("flags", 0, 2, [0, 1, 0x1000, 0x2000, 0x8000, 0xffff]), field("protocol", 2, 2, ETHERTYPES)],
  vxlan: [field("flags", 0, 1, [0, 8, 0xf7, 0xff]), field("VNI", 5, 2, [0, 77, 0xffff])],
  mpls: [field("bottom", 2, 1, [0, 1], 1), field("label", 1, 1, [0, 6, 255]), field("TTL", 3, 1, [0, 1, 2, 255])],
  data: [],
};

/** Writes a value into the field of a header that begins at `at`. */
export function setField(frame: Uint8Array, at: number, { offset, bytes, mask }: Field, value: number): void {
  const from = at + offset;
  if (bytes === 1) {
    frame[from] = ((frame[from] ?? 0) & ~mask) | (value & mask);
    return;
  }
  const old = ((frame[from] ?? 0) << 8) | (frame[from + 1] ?? 0);
  const word = (old & ~mask) | (value & mask);
  frame[from] = word >> 8;
  frame[from + 1] = word & 255;
}
