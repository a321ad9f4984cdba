// SPDX-License-Identifier: Apache-2.0
/** The desired state in the store. */
import { WeirError } from "../errors.ts";
import type { Store, StoreWriter } from "../store/index.ts";
import { type AnyChange, type DesiredState, isWritten } from "./desired.ts";
import { checkObject, isKind } from "./schema/index.ts";
import { renewInterfaceRoutes } from "./staging.ts";

/** Key of the revision among the store's `meta`. */
const REVISION = "revision";

/**
 * Writes what a transaction changed.
 * @param durable false: the objects are not to outlive the process, and older durable ones under their keys go.
 */
export function writeChanges(writer: StoreWriter, changes: readonly AnyChange[], durable: boolean): void {
  for (const { kind, key, before, after } of changes) {
    for (const candidate of before) {
      if (!isWritten(candidate) || after.some(({ owner }) => owner === candidate.owner)) continue;
      writer.deleteObject(kind, key, candidate.owner);
    }
    for (const candidate of after) {
      const { owner, object } = candidate;
      if (!isWritten(candidate) || before.includes(candidate as never)) continue;
      if (durable) writer.putObject({ kind, key, owner, json: JSON.stringify(object) });
      else writer.deleteObject(kind, key, owner);
    }
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
