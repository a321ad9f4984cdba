// SPDX-License-Identifier: Apache-2.0
/** Meaning of changed routes: they lead somewhere, with the label or VNI that is needed there. */
import type { Locate } from "../check/check.ts";
import { checkLeading, neededBy } from "../check/check_labels.ts";
import { checkReferences, isNamed } from "../check/check_references.ts";
import { labelTag } from "../kernel/label_tag.ts";
import type { DesiredState } from "../state/desired.ts";
import { remembered } from "./remembered.ts";
import type { RouteChanges } from "./route_changes.ts";
import { NO_ROW } from "./route_rows.ts";

/** Kinds of tag, as `labelTag` gives them. */
const kindOf = (tag: number): number => tag >>> 24;
const VNI = kindOf(labelTag({ vni: 0 }));
const LABEL = kindOf(labelTag({ label: 0 }));
/** What only a look at the route itself can tell. */
const PERHAPS = -1;

/**
 * Checks the routes that are new or changed. What leads to the same name is looked up once.
 * @throws WeirError `EINVALIDSTATE` that names the field.
 */
export function checkRoutes(state: DesiredState, changes: RouteChanges, locate: Locate): void {
  const { table } = changes;
  const { rows } = table;
  const isVrf = remembered((vrf) => isNamed(state, "vrf", table.vrfs.name(vrf)));
  const kindFor = remembered((via) => neededKind(state, table.vias.name(via)));
  for (let i = 0; i < changes.length; i++) {
    const entry = changes.entry(i);
    for (let row = changes.after(i); row !== NO_ROW; row = rows.next(row)) {
      if (!table.isWritten(row) || rows.has(changes.before(i), row)) continue;
      if (kindFor(rows.via(row)) === kindOf(rows.tag(row)) && isVrf(table.prefixes.vrf(entry))) continue;
      const route = table.object(entry, row);
      const key = table.key(entry);
      checkLeading(state, route, () => locate("routes", key));
      checkReferences(state, "routes", route, key, locate);
    }
  }
}

/** The kind of tag that a route to `name` must have; PERHAPS: that depends, or there is no such thing. */
function neededKind(state: DesiredState, name: string): number {
  const nexthop = state.get("nexthops", name);
  if (nexthop === undefined) return isNamed(state, "via", name) ? 0 : PERHAPS;
  if (nexthop.members !== undefined) return PERHAPS;
  const needed = neededBy(nexthop);
  return needed === undefined ? 0 : needed === "vni" ? VNI : LABEL;
}
