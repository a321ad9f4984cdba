// SPDX-License-Identifier: Apache-2.0
/** Routes: the winner of each key is what the kernel has. */
import { type Family, parsePrefix } from "../../address.ts";
import { WeirError } from "../../errors.ts";
import type { Candidates, ObjectChange } from "../desired.ts";
import { type LabelTag, labelTag } from "../kernel/label_tag.ts";
import type { RouteChange } from "../kernel/routes.ts";
import { APPLY_STATE } from "../schema/index.ts";
import type { Run } from "./context.ts";

/** Routes in the kernel, by family. */
export type RouteCounts = Record<Family, number>;

/** What a change of the desired state means for the kernel's tables. */
export function routeChanges(run: Run, changes: readonly ObjectChange<"routes">[]): RouteChange[] {
  const result: RouteChange[] = [];
  const nexthopOf = (candidates: Candidates<"routes">): number | undefined => {
    const winner = candidates[0];
    return winner === undefined ? undefined : run.ids.nexthop.get(winner.object.via);
  };
  const tagOf = (candidates: Candidates<"routes">): LabelTag => {
    const winner = candidates[0];
    return winner === undefined ? 0 : labelTag(winner.object);
  };
  for (const { key, before: was, after: is } of changes) {
    const space = key.indexOf(" ");
    const prefix = parsePrefix(key.slice(space + 1));
    if (prefix === undefined) continue;
    const before = nexthopOf(was);
    const after = nexthopOf(is);
    const tagBefore = tagOf(was);
    const tagAfter = tagOf(is);
    if (before === after && tagBefore === tagAfter) continue;
    result.push({ vrf: run.ids.take("vrf", key.slice(0, space)), prefix, before, after, tagBefore, tagAfter });
  }
  return result;
}

/** @throws WeirError `ETABLEFULL` when the tables cannot hold what is wanted. */
export function countRoutes(counts: RouteCounts, changes: readonly RouteChange[], limit: number): RouteCounts {
  const result = { ...counts };
  for (const { prefix, before, after } of changes) {
    result[prefix.family] += Number(after !== undefined) - Number(before !== undefined);
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
export function writeRoutes(run: Run, changes: readonly RouteChange[]): void {
  run.tables.routes.put(changes, run.undo);
  run.retire.push(() => run.tables.routes.delete(changes, run.undo));
}
