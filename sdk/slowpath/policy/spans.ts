// SPDX-License-Identifier: Apache-2.0
/** Sets of values of a packet field, as sorted spans. IPv6 addresses are bigints, all others numbers. */

import { MAPPED_OFFSET, type Prefix } from "../../address.ts";
import { PORT_FIELD_NONE } from "../../layout/index.ts";
import type { Range } from "./match_fields.ts";

/** A value of a field. */
export type Value = number | bigint;

/** From `first` to the value before `end`. */
export interface Span<V extends Value> {
  readonly first: V;
  readonly end: V;
}

/** All values of a field: 0 to the one before `end`. */
export interface Domain<V extends Value> {
  readonly zero: V;
  readonly end: V;
  /** Bytes of a bound in struct interval_index. */
  readonly boundBytes: 4 | 16;
}

export const IPV4: Domain<number> = { zero: 0, end: 2 ** 32, boundBytes: 4 };
export const IPV6: Domain<bigint> = { zero: 0n, end: 1n << 128n, boundBytes: 16 };
export const PROTOCOL: Domain<number> = { zero: 0, end: 256, boundBytes: 4 };
export const PORT: Domain<number> = { zero: 0, end: PORT_FIELD_NONE + 1, boundBytes: 4 };

/** What a rule that says nothing of a field takes. */
export function everything<V extends Value>({ zero, end }: Domain<V>): readonly Span<V>[] {
  return [{ first: zero, end }];
}

/** Sorts spans and joins those that overlap or touch. */
export function joined<V extends Value>(spans: readonly Span<V>[]): readonly Span<V>[] {
  if (spans.length < 2) return spans;
  const sorted = [...spans].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const result: Span<V>[] = [];
  for (const span of sorted) {
    const last = result.at(-1);
    if (last === undefined || span.first > last.end) result.push(span);
    else if (span.end > last.end) result[result.length - 1] = { first: last.first, end: span.end };
  }
  return result;
}

/** `from` without `except`, both joined. */
export function without<V extends Value>(from: readonly Span<V>[], except: readonly Span<V>[]): readonly Span<V>[] {
  if (except.length === 0) return from;
  const result: Span<V>[] = [];
  let next = 0;
  for (const { first, end } of from) {
    let at = first;
    while (next < except.length && (except[next] as Span<V>).end <= at) next++;
    for (let i = next; i < except.length; i++) {
      const hole = except[i] as Span<V>;
      if (hole.first >= end) break;
      if (hole.first > at) result.push({ first: at, end: hole.first });
      if (hole.end > at) at = hole.end;
    }
    if (at < end) result.push({ first: at, end });
  }
  return result;
}

/** The addresses of IPv4 prefixes. */
export function spansOf4(prefixes: readonly Prefix[]): readonly Span<number>[] {
  return joined(
    prefixes.map(({ bytes, length }) => {
      const first = word(bytes, MAPPED_OFFSET);
      return { first, end: first + 2 ** (32 - length) };
    }),
  );
}

/** The addresses of IPv6 prefixes. */
export function spansOf6(prefixes: readonly Prefix[]): readonly Span<bigint>[] {
  return joined(
    prefixes.map(({ bytes, length }) => {
      let first = 0n;
      for (let at = 0; at < 16; at += 4) first = (first << 32n) | BigInt(word(bytes, at));
      return { first, end: first + (1n << BigInt(128 - length)) };
    }),
  );
}

/** Four bytes in network order. */
function word(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
  );
}

/** Ports, or with `base` ICMP types. */
export function spansOfRanges(ranges: readonly Range[], base = 0): readonly Span<number>[] {
  return joined(ranges.map(({ first, last }) => ({ first: base + first, end: base + last + 1 })));
}

/** What `spans` leave out of a domain. */
export function complement<V extends Value>(domain: Domain<V>, spans: readonly Span<V>[]): readonly Span<V>[] {
  return without(everything(domain), spans);
}
