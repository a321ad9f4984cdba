// SPDX-License-Identifier: Apache-2.0
import { WeirError } from "../../errors.ts";
import { APPLY_STATE, type Limits } from "../schema/index.ts";
import type { AnyChange } from "./desired.ts";

/**
 * Tables and memory keep the sizes that they were made with.
 * @throws WeirError `ELIMITS` when a changed node asks for others.
 */
export function checkLimits(
  changes: readonly AnyChange[],
  o: { readonly limits: Required<Limits>; readonly holdLimit: number; readonly workers: number },
): void {
  for (const change of changes) {
    if (change.kind !== "node") continue;
    const node = change.after[0]?.object ?? {};
    for (const [name, wanted] of Object.entries(node.limits ?? {})) {
      checkSize(`/node/limits/${name}`, wanted, o.limits[name as keyof Limits]);
    }
    for (const name of ["holdLimit", "workers"] as const) {
      const wanted = node[name];
      if (wanted !== undefined) checkSize(`/node/${name}`, wanted, o[name]);
    }
  }
}

function checkSize(field: string, wanted: number, size: number): void {
  if (wanted === size) return;
  throw new WeirError({
    code: "ELIMITS",
    operation: APPLY_STATE,
    reason: `${field} is ${wanted}, but the instance runs with ${size}`,
    hint: "leave it as it is, or take the instance down and start it anew",
    field,
  });
}
