// SPDX-License-Identifier: Apache-2.0
/** What `ip -N -d -j` says of the kernel's tables, in the words of `weir/netlink`: the second opinion on each decoder. */

import { expect } from "bun:test";
import type { Netlink } from "../../sdk/netlink/index.ts";
import {
  comparableLink,
  inSteps,
  type Shown,
  shownAddresses,
  shownLinks,
  shownNeighbours,
  showsIpv4Limits,
} from "./netlink_oracle_links.ts";
import { shownNexthops, shownRoutes, shownRules } from "./netlink_oracle_routes.ts";
import type { TestNamespace } from "./netlink_support.ts";

/** The tables that are compared. */
export type OracleTable = "links" | "addresses" | "neighbours" | "routes" | "rules" | "nexthops";

export const oracleTables: readonly OracleTable[] = ["links", "addresses", "neighbours", "routes", "rules", "nexthops"];

/** The kernel itself changes tables for a moment after a command: it must come to rest before two looks at it compare. */
const MOST_LOOKS = 50;

/** Fails the test unless `table` is decoded as ip(8) decodes it. @returns how many objects were compared */
export function expectAgreement(ns: TestNamespace, netlink: Netlink, table: OracleTable): number {
  const list = (shown: readonly Shown[]) => inOrder(listed(netlink, table, shown));
  for (let look = 0; look < MOST_LOOKS; look++) {
    const before = list([]);
    const shown = shownOf(ns, netlink, table);
    // It moved while ip(8) looked: what that saw may be neither.
    if (!Bun.deepEquals(before, list([]))) continue;
    expect(list(shown)).toEqual(inOrder(shown));
    return shown.length;
  }
  throw new Error(`the ${table} do not come to rest`);
}

function shownOf(ns: TestNamespace, netlink: Netlink, table: OracleTable): Shown[] {
  const indexes = new Map(netlink.links().map(({ name, index }) => [name, index]));
  switch (table) {
    case "links":
      return shownLinks(ns, indexes);
    case "addresses":
      return shownAddresses(ns);
    case "neighbours":
      return shownNeighbours(ns, indexes);
    case "routes":
      return shownRoutes(ns, indexes);
    case "rules":
      return shownRules(ns);
    case "nexthops":
      return shownNexthops(ns, indexes);
  }
}

/** What the decoders say, without what ip(8) does not show. */
function listed(netlink: Netlink, table: OracleTable, shown: readonly Shown[]): Shown[] {
  switch (table) {
    case "links":
      return netlink.links().map((link) => comparableLink(link, shown.some(showsIpv4Limits)));
    case "addresses":
      return netlink.addresses().map((address) => ({ ...address, flags: undefined, ...lifetimes(address) }));
    case "neighbours":
      return [...netlink.neighbours(), ...netlink.neighbours({ proxy: true })]
        .filter(({ address }) => !isMulticast(address))
        .map((neighbour) => ({ ...neighbour }));
    case "routes":
      return netlink.routes().map((route) => ({ ...route, flags: undefined }));
    case "rules":
      return netlink.rules().map((rule) => ({ ...rule }));
    case "nexthops":
      return netlink.nexthops().map((nexthop) => ({ ...nexthop, family: undefined }));
  }
}

/** The kernel makes such entries when it sends reports, at times of its own. */
const isMulticast = (address: string): boolean => address.startsWith("ff");

function lifetimes(a: { readonly validSeconds: number; readonly preferredSeconds: number }): Shown {
  return { validSeconds: inSteps(a.validSeconds), preferredSeconds: inSteps(a.preferredSeconds) };
}

/** Sorted, and without what one side leaves out. */
function inOrder(list: readonly Shown[]): unknown[] {
  return list
    .map((item) => JSON.stringify(sorted(item)))
    .sort()
    .map((text) => JSON.parse(text));
}

function sorted(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (value === Number.POSITIVE_INFINITY) return "for ever";
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
