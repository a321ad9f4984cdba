// SPDX-License-Identifier: Apache-2.0
/** How far an address or a route reaches (`enum rt_scope_t`, `linux/rtnetlink.h`). */

/** Reach, from everywhere to nowhere. iproute2 calls `universe` "global". */
export type Scope = "universe" | "site" | "link" | "host" | "nowhere";

const numbers: Readonly<Record<Scope, number>> = { universe: 0, site: 200, link: 253, host: 254, nowhere: 255 };

export function scopeNumber(scope: Scope): number {
  return numbers[scope];
}

/** The scope of a number; those that administrators define themselves lie between `universe` and `site`. */
export function scopeOf(number: number): Scope {
  if (number >= 255) return "nowhere";
  if (number === 254) return "host";
  if (number === 253) return "link";
  return number >= 200 ? "site" : "universe";
}
