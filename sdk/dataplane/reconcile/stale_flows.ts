// SPDX-License-Identifier: Apache-2.0
/** Which flows changed routes and next hops concern. A flow's entry holds what a route led to in the end. */

import type { RouteWrites } from "../kernel/route_writes.ts";
import { PackedPrefixes } from "../routes/packed_prefixes.ts";
import type { Nexthop } from "../schema/index.ts";
import { type ObjectChange, sameValue } from "../state/desired.ts";
import type { Run, StaleFlows } from "./context.ts";

/**
 * What the run noted, and what its routes and next hops concern.
 * @param translated numbers of the VRFs that `vrf` next hops lead to.
 */
export function staleFlows(
  run: Run,
  routes: RouteWrites,
  nexthops: readonly ObjectChange<"nexthops">[],
  translated: ReadonlySet<number>,
): StaleFlows {
  const leading = new Set<string>();
  for (const { key, before, after } of nexthops) {
    const [was, is] = [before[0]?.object, after[0]?.object];
    if (was === undefined || is === undefined) continue;
    const id = run.ids.nexthop.get(key);
    if (was.type !== is.type && id !== undefined) run.stale.nexthops.add(id);
    if (isIndirect(was) && (was.type !== is.type || was.vrf !== is.vrf)) leading.add(key);
    for (const member of lostMembers(was, is)) run.stale.nexthops.add(run.ids.nexthop.get(member) ?? 0);
  }
  return { ...run.stale, prefixes: withRoutesVia(run, routes.prefixes, leading), translated };
}

/** What flows' entries do not hold: they have what it led to. */
const isIndirect = ({ type }: Nexthop): boolean => type === "vrf" || type === "ecmp";

/** Next hops that an ecmp had and has no more, or has with another label. */
function lostMembers(was: Nexthop, is: Nexthop): string[] {
  if (was.type !== "ecmp") return [];
  const kept = (is.members ?? []).map(({ weight: _, ...member }) => member);
  return (was.members ?? [])
    .filter(({ weight: _, ...member }) => !kept.some((other) => sameValue(other, member)))
    .map(({ nexthop }) => nexthop);
}

/** Looks through all routes, but only when a next hop changed that leads to others. */
function withRoutesVia(run: Run, changed: PackedPrefixes, names: ReadonlySet<string>): PackedPrefixes {
  if (names.size === 0) return changed;
  const { routes } = run.state;
  const found = new PackedPrefixes(changed.length);
  for (let i = 0; i < changed.length; i++) found.push(changed, i, changed.vrf(i));
  for (const entry of routes.entriesVia(names)) {
    const winner = routes.vias.name(routes.rows.via(routes.head(entry)));
    if (!names.has(winner)) continue;
    found.push(routes.prefixes, entry, run.ids.take("vrf", routes.vrfs.name(routes.prefixes.vrf(entry))));
  }
  return found;
}

/** Numbers of the VRFs that `vrf` next hops lead to. Looks through all next hops. */
export function translatedVrfs(run: Run): Set<number> {
  const vrfs = new Set<number>();
  for (const { type, vrf } of run.state.objects("nexthops")) {
    const id = type === "vrf" && vrf !== undefined ? run.ids.vrf.get(vrf) : undefined;
    if (id !== undefined) vrfs.add(id);
  }
  return vrfs;
}
