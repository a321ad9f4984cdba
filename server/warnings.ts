// SPDX-License-Identifier: Apache-2.0
/** What the SDK warns of at interfaces: it works, but not as well as it could. */

import type { Change, FacadeDataPlane, StateObject } from "./dataplane.ts";

/** The warnings of the interfaces that `changes` touch. */
export function warningsOfChanges({ tables }: FacadeDataPlane, changes: readonly Change[]): string[] {
  return changes.flatMap(({ action, kind, key }) => {
    const object = kind === "interface" && action !== "remove" ? tables["interfaces"]?.get(key) : undefined;
    return object === undefined ? [] : warningsOf(object);
  });
}

function warningsOf({ name, status }: StateObject): string[] {
  const { warnings = [] } = (status ?? {}) as { warnings?: readonly string[] };
  return warnings.map((warning) => `interface ${name}: ${warning}`);
}
