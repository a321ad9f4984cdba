// SPDX-License-Identifier: Apache-2.0
/** Inner functions for the tests (tests/wasm); compiled beside index.ts there, and never shipped. */

import { finish, pseudo, sum } from "./checksum";
import * as parsed from "./parse";
import { judge as judgeParsed } from "./policy/judge";
import * as policy from "./policy/judge";
import { loadPolicy } from "./policy/table";
import { l3OffsetOf } from "./trap";

/** The checksum as it reads in the packet (network byte order). */
export function checksum(address: u32, length: u32): u32 {
  return bswap<u16>(finish(sum(address, length, 0)));
}

/** The checksum with an IPv6 (32 bytes of addresses) or IPv4 (8 bytes) pseudo header. */
export function pseudoChecksum(addresses: u32, addressBytes: u32, protocol: u32, at: u32, length: u32): u32 {
  return bswap<u16>(finish(sum(at, length, pseudo(addresses, addressBytes, <u8>protocol, length))));
}

export function parse(packet: u32, length: u32, l3Offset: u32): bool {
  return parsed.parse(packet, length, length, l3Offset);
}

export function parseKey(version: u32, key: u32): void {
  parsed.parseKey(version, key);
}

export function hasPorts(): bool {
  return parsed.hasPorts;
}

export function family(): u32 {
  return parsed.family;
}

export function protocol(): u32 {
  return parsed.protocol;
}

export function sourcePort(): u32 {
  return parsed.sourcePort;
}

export function destinationPort(): u32 {
  return parsed.destinationPort;
}

export function icmp(): u32 {
  return parsed.icmp;
}

export function fragment(): bool {
  return parsed.fragment;
}

export function upperLayer(): u32 {
  return <u32>parsed.l4;
}

/** Writes source and destination, 16 bytes each, to `to`. */
export function addresses(to: u32): void {
  store<u64>(to, parsed.source0);
  store<u64>(to, parsed.source1, 8);
  store<u64>(to, parsed.destination0, 16);
  store<u64>(to, parsed.destination1, 24);
}

/** The verdict on the trapped packet at `packet`; 0 also if it cannot be parsed. */
export function judge(packet: u32, length: u32): u32 {
  loadPolicy();
  if (!parsed.parse(packet, length, length, l3OffsetOf(packet))) return 0;
  return judgeParsed(packet, length);
}

export function rule(): u32 {
  return policy.rule;
}

export function mirror(): u32 {
  return policy.mirror;
}

/**
 * Judges the trapped packets at `count` addresses, `length` bytes each: for measurements, in which the call from
 * outside would count for more than a verdict. Returns the sum of the verdicts.
 */
export function judgeAll(packets: u32, count: u32, length: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) sum += judge(load<u32>(packets + (i << 2)), length);
  return sum;
}
