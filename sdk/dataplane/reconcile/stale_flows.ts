// SPDX-License-Identifier: Apache-2.0
/** Which flows changed routes and next hops concern. A flow's entry holds what a route led to in the end. */
import { parsePrefix } from "../../address.ts";
import { type ObjectChange, sameValue } from "../desired.ts";
import type { RouteChange } from "../kernel/routes.ts";
import { type Nexthop, splitKey } from "../schema/index.ts";
import type { Run, StaleFlows } from "./context.ts";

/**
 * What the run noted, and what its routes and next hops concern.
 * @param translated numbers of the VRFs that `vrf` next hops lead to.
 */
export function staleFlows(
  run: Run,
  routes: readonly RouteChange[],
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
  return { ...run.stale, prefixes: [...routes, ...routesVia(run, leading)], translated };
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
function routesVia(run: Run, names: ReadonlySet<string>): Pick<RouteChange, "vrf" | "prefix">[] {
  const found: Pick<RouteChange, "vrf" | "prefix">[] = [];
  if (names.size === 0) return found;
  for (const [key, [winner]] of run.state.entries("routes")) {
    if (winner === undefined || !names.has(winner.object.via)) continue;
    const [vrf, text] = splitKey(key);
    const prefix = parsePrefix(text);
    if (prefix !== undefined) found.push({ vrf: run.ids.take("vrf", vrf), prefix });
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
