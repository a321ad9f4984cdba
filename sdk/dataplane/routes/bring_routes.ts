// SPDX-License-Identifier: Apache-2.0
/** Brings what a transaction asks of routes into the table. */
import { WeirError } from "../../errors.ts";
import { invalid, pointerOf } from "../schema/index.ts";
import { NO_ROW } from "./route_rows.ts";
import type { RouteTable } from "./route_table.ts";
import type { StagedRouteKeys, StagedRoutes } from "./staged_routes.ts";

/**
 * Finds the entry of each route that is put, and makes those that are missing, without candidates yet.
 * @throws WeirError `EINVALIDSTATE` for a key that is put twice.
 */
export function enterRoutes(table: RouteTable, staged: StagedRoutes): Int32Array {
  const vrfs = staged.vrfs.names.map((name) => table.vrfs.take(name));
  const entries = new Int32Array(staged.length);
  table.reserve(staged.length);
  for (let i = 0; i < entries.length; i++) {
    const entry = table.enter(staged.prefixes, i, vrfs[staged.prefixes.vrf(i)] ?? 0);
    entries[i] = entry;
    const first = table.placeAt(entry, i);
    if (first < 0) continue;
    const problem = `repeats ${JSON.stringify(table.key(entry))}, which ${pointerOf("routes", first)} has too`;
    throw invalid(pointerOf("routes", i), problem, "give it once");
  }
  return entries;
}

/** Puts the routes of `owner` into their entries; those that are as they were are left alone. */
export function putRoutes(table: RouteTable, staged: StagedRoutes, entries: Int32Array, ownerName: string): void {
  const owner = table.owners.take(ownerName);
  const vias = staged.vias.names.map((name) => table.vias.take(name));
  const { rows } = table;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i] ?? 0;
    const via = vias[staged.via(i)] ?? 0;
    const [tag, rank] = [staged.tag(i), staged.rank(i)];
    const known = rows.ofOwner(table.head(entry), owner);
    if (known === NO_ROW || !rows.says(known, via, tag, rank)) table.putFields(entry, { owner, via, tag, rank });
  }
}

/** Takes routes of `owner` away. @throws WeirError `ENOENT` when it has one of them not. */
export function deleteRoutes(table: RouteTable, staged: StagedRouteKeys, ownerName: string): void {
  const owner = table.owners.get(ownerName);
  const vrfs = staged.vrfs.names.map((name) => table.vrfs.get(name));
  for (let i = 0; i < staged.length; i++) {
    const vrf = vrfs[staged.prefixes.vrf(i)];
    const entry = vrf === undefined ? -1 : table.lookUp(staged.prefixes, i, vrf);
    if (entry >= 0 && owner !== undefined && table.deleteOf(entry, owner)) continue;
    throw missing("routes", staged.key(i), entry < 0 ? [] : table.chain(entry, table.head(entry)));
  }
}

/** Takes those routes of `owner` away that no put stands for; true when there were any. */
export function deleteOtherRoutes(table: RouteTable, ownerName: string): boolean {
  const owner = table.owners.get(ownerName);
  if (owner === undefined) return false;
  let found = false;
  for (let entry = 0; entry < table.entryLimit; entry++) {
    if (table.head(entry) > NO_ROW && table.place(entry) < 0) found = table.deleteOf(entry, owner) || found;
  }
  return found;
}

/** The error about an object that is to be deleted and is not the owner's. */
export function missing(kind: string, key: string, others: readonly { readonly owner: string }[]): WeirError {
  const owners = others.map(({ owner }) => `"${owner}"`);
  return new WeirError({
    code: "ENOENT",
    operation: `delete ${kind} "${key}"`,
    reason: owners.length === 0 ? "there is none" : `it belongs to owner ${owners.join(" and ")}`,
  });
}
