// SPDX-License-Identifier: Apache-2.0
/** Routes: the winner of each key is what the kernel has. */
import type { Family } from "../../address.ts";
import { WeirError } from "../../errors.ts";
import { NO_ROUTE, type RouteValue, RouteWrites } from "../kernel/route_writes.ts";
import { Numbers } from "../routes/numbers.ts";
import { remembered } from "../routes/remembered.ts";
import type { RouteChanges } from "../routes/route_changes.ts";
import { NO_ROW } from "../routes/route_rows.ts";
import { APPLY_STATE } from "../schema/index.ts";
import type { Run } from "./context.ts";

/** Routes in the kernel, by family. */
export type RouteCounts = Record<Family, number>;

const NOTHING: RouteValue = { nexthop: NO_ROUTE, tag: 0 };

/** What changes of the desired state mean for the kernel's tables. */
export function routeWrites(run: Run, changes: RouteChanges): RouteWrites {
  const { rows, vias, vrfs, prefixes } = changes.table;
  const writes = new RouteWrites(changes.length);
  const nexthops = remembered((via) => run.ids.nexthop.get(vias.name(via)) ?? NO_ROUTE);
  const vrfIds = remembered((vrf) => run.ids.take("vrf", vrfs.name(vrf)));
  const leadsTo = (row: number): RouteValue =>
    row === NO_ROW ? NOTHING : { nexthop: nexthops(rows.via(row)), tag: rows.tag(row) };
  for (const i of byVrf(changes)) {
    const entry = changes.entry(i);
    const before = leadsTo(changes.before(i));
    const after = leadsTo(changes.after(i));
    if (before.nexthop === after.nexthop && before.tag === after.tag) continue;
    writes.push(prefixes, entry, vrfIds(prefixes.vrf(entry)), before, after);
  }
  return writes;
}

/** The positions of changes, those of a VRF together: the kernel's trie then finds its way in the cache. */
function byVrf(changes: RouteChanges): Int32Array {
  const { prefixes } = changes.table;
  const vrfOf = (i: number) => prefixes.vrf(changes.entry(i));
  const next = new Numbers();
  for (let i = 0; i < changes.length; i++) next.add(vrfOf(i) + 1, 1);
  for (let vrf = 1; vrf < next.length; vrf++) next.add(vrf, next.at(vrf - 1));
  const order = new Int32Array(changes.length);
  for (let i = 0; i < order.length; i++) {
    const vrf = vrfOf(i);
    order[next.at(vrf)] = i;
    next.add(vrf, 1);
  }
  return order;
}

/** @throws WeirError `ETABLEFULL` when the tables cannot hold what is wanted. */
export function countRoutes(counts: RouteCounts, writes: RouteWrites, limit: number): RouteCounts {
  const result = { ...counts };
  for (let i = 0; i < writes.length; i++) {
    const [before, after] = [writes.nexthop(i, "before"), writes.nexthop(i, "after")];
    result[writes.prefixes.family(i)] += Number(after !== NO_ROUTE) - Number(before !== NO_ROUTE);
  }
  for (const family of [4, 6] as const) {
    if (result[family] <= limit) continue;
    throw new WeirError({
      code: "ETABLEFULL",
      operation: APPLY_STATE,
      reason: `the table of IPv${family} routes holds ${limit}, and ${result[family]} are wanted`,
      hint: "start the instance with a larger node.limits.routes",
    });
  }
  return result;
}

/** Adds and replaces now, removes later. */
export function writeRoutes(run: Run, writes: RouteWrites): void {
  if (writes.length === 0) return;
  run.tables.routes.put(writes, run.undo);
  run.retire.push(() => run.tables.routes.delete(writes, run.undo));
}
