// SPDX-License-Identifier: Apache-2.0
/** Next hops. Their numbers stay when their content changes, so routes and flows follow at once. */
import { learnedMac } from "../kernel/records.ts";
import { interfaceNexthop, macOf, plainNexthop } from "../records_of.ts";
import type { Nexthop } from "../schema/index.ts";
import type { Run } from "./context.ts";

/** Writes the next hops that are there without an object. */
export function writeReservedNexthops(run: Run): void {
  for (const type of ["discard", "local"] as const) {
    run.tables.setNexthop(plainNexthop(run.ids.take("nexthop", type), type), run.undo);
  }
}

/** Writes a next hop. */
export function writeNexthop(run: Run, object: Nexthop): void {
  const id = run.ids.take("nexthop", object.name);
  run.neighbours.forget(object.name);
  if (object.type !== "interface") {
    run.tables.setNexthop(plainNexthop(id, object.type), run.undo);
    return;
  }
  const live = object.device === undefined ? undefined : run.live.get(object.device);
  if (live === undefined) throw new Error(`Next hop "${object.name}" leads out of no interface`);
  const mac = destinationMac(run, object, live.id);
  run.tables.setNexthop(interfaceNexthop(id, live, mac), run.undo);
}

function destinationMac(run: Run, object: Nexthop, interfaceId: number): Uint8Array | undefined {
  const live = run.live.get(object.device ?? "");
  if (live?.device === undefined) return undefined;
  if (live.object.role === "workload") return macOf(live.object) ?? learnedMac(run.tables.interfaces, interfaceId);
  if (object.gateway === undefined) return undefined;
  return run.neighbours.resolve(object.name, live.device.ifindex, object.gateway);
}

/** Takes a next hop away, later. Its name may live on as an interface's. */
export function removeNexthop(run: Run, name: string): void {
  run.neighbours.forget(name);
  if (run.state.get("interfaces", name) !== undefined || run.state.get("nexthops", name) !== undefined) return;
  const id = run.ids.nexthop.get(name);
  if (id === undefined) return;
  run.ids.free("nexthop", name);
  run.stale.nexthops.add(id);
  run.retire.push(() => run.tables.clearNexthop(id, run.undo));
}
