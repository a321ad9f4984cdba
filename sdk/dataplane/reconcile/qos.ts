// SPDX-License-Identifier: Apache-2.0
/** QoS maps, and the policers of interfaces. */

import type { Interface } from "../schema/index.ts";
import type { ObjectChange } from "../state/desired.ts";
import type { Run } from "./context.ts";
import { policerOf } from "./records_of.ts";

/** Writes QoS maps, before the interfaces that name them. */
export function writeQosMaps(run: Run, changes: readonly ObjectChange<"qos">[]): void {
  for (const { key, after } of changes) {
    const object = after[0]?.object;
    if (object !== undefined) run.tables.setQosMap(run.ids.take("qos", key), object, run.undo);
  }
}

/** Takes away, later, QoS maps that are gone. */
export function removeQosMaps(run: Run, changes: readonly ObjectChange<"qos">[]): void {
  for (const { key, after } of changes) {
    const id = run.ids.qos.get(key);
    if (after.length > 0 || id === undefined) continue;
    run.ids.free("qos", key);
    run.retire.push(() => run.tables.clearQosMap(id, run.undo));
  }
}

/** Writes the policers of an interface, before the flags that have them asked. */
export function writePolicers(run: Run, id: number, object: Interface): void {
  for (const direction of ["received", "sent"] as const)
    run.tables.policers.set(id, direction, policerOf(object, direction), run.undo);
}
