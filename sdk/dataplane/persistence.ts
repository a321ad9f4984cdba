// SPDX-License-Identifier: Apache-2.0
/** The desired state in the store. */
import { WeirError } from "../errors.ts";
import type { Store, StoreWriter } from "../store/index.ts";
import type { Candidates } from "./candidate.ts";
import type { DesiredState, StateChanges } from "./desired.ts";
import { checkObject, isKind, type Kind } from "./schema/index.ts";
import { renewInterfaceRoutes } from "./staging.ts";

/** Key of the revision among the store's `meta`. */
const REVISION = "revision";

/** Writes what a transaction changed. What is not durable is not there, and what was durable before goes. */
export function writeChanges(writer: StoreWriter, { objects, routes }: StateChanges): void {
  for (const { kind, key, before, after } of objects) writeChange(writer, kind, key, before, after);
  const { table } = routes;
  for (let i = 0; i < routes.length; i++) {
    const [entry, was, is] = [routes.entry(i), routes.before(i), routes.after(i)];
    if (!table.rows.hasDurable(was) && !table.rows.hasDurable(is)) continue;
    writeChange(writer, "routes", table.key(entry), table.chain(entry, was), table.chain(entry, is));
  }
}

function writeChange(writer: StoreWriter, kind: Kind, key: string, before: Candidates, after: Candidates): void {
  for (const { owner, durable } of before) {
    if (durable && !after.some((is) => is.owner === owner && is.durable)) writer.deleteObject(kind, key, owner);
  }
  for (const candidate of after) {
    const { owner, object, durable } = candidate;
    if (durable && !before.includes(candidate)) writer.putObject({ kind, key, owner, json: JSON.stringify(object) });
  }
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
  for (const { kind, key, owner, json } of store.objects()) {
    const operation = `resume the state in "${store.name}"`;
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
