// SPDX-License-Identifier: Apache-2.0
/** The desired state in the store. */
import { WeirError } from "../../errors.ts";
import type { Store, StoreWriter } from "../../store/index.ts";
import { restoreRoutes, writeRouteBlocks } from "../routes/route_blocks.ts";
import { checkObject, isKind } from "../schema/index.ts";
import type { DesiredState, StateChanges } from "./desired.ts";
import { renewInterfaceRoutes } from "./staging.ts";

/** Key of the revision among the store's `meta`. */
const REVISION = "revision";

/** Writes what a transaction changed. What is not durable is not there, and what was durable before goes. */
export function writeChanges(writer: StoreWriter, { objects, routes }: StateChanges): void {
  for (const { kind, key, before, after } of objects) {
    for (const { owner, durable } of before) {
      if (durable && !after.some((is) => is.owner === owner && is.durable)) writer.deleteObject(kind, key, owner);
    }
    for (const { owner, object, durable } of after) {
      const isNew = !before.some((was) => was.owner === owner && was.object === object && was.durable);
      if (durable && isNew) writer.putObject({ kind, key, owner, json: JSON.stringify(object) });
    }
  }
  writeRouteBlocks(writer, routes);
}

export function writeRevision(writer: StoreWriter, revision: number): void {
  writer.setMeta(REVISION, String(revision));
}

export function readRevision(store: Store): number {
  return Number(store.meta(REVISION) ?? 0);
}

/**
 * Brings what the store holds into the empty `state`, whose journal is open.
 * @throws WeirError `ESTORE` when the store holds what this version does not understand.
 */
export function readState(store: Store, state: DesiredState): void {
  const operation = `resume the state in "${store.name}"`;
  restoreRoutes(state.routes, store, operation);
  for (const { kind, key, owner, json } of store.objects()) {
    if (!isKind(kind)) {
      throw new WeirError({
        code: "ESTORE",
        operation,
        reason: `it has objects of kind "${kind}"`,
        hint: "use the version that wrote it",
      });
    }
    const object: unknown = JSON.parse(json);
    checkObject(kind, object, () => `/${kind}/${key}`, operation);
    state.put(kind, key, owner, object);
  }
  renewInterfaceRoutes(state);
}
