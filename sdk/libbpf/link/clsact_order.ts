// SPDX-License-Identifier: Apache-2.0
/** What an order among programs means for clsact filters: these have priorities, and lower ones run first. */

import { WeirError } from "../../errors.ts";
import type { Anchor, Neighbour } from "./anchor.ts";
import { CLSACT_PRIORITY } from "./clsact.ts";
import type { Filter } from "./filters.ts";
import { BpfLink } from "./link.ts";

const LOWEST = 1;
const HIGHEST = 0xffff;

/**
 * The priority that puts a filter where `order` says: {@link CLSACT_PRIORITY} where that is right, else the nearest one
 * that no other filter has. Where there is none left in front it is shared with the first one: of BPF filters with one
 * priority the newest runs first (net/sched/cls_bpf.c, cls_bpf_change).
 * @param filters those that are there already.
 * @param where the device, for messages.
 * @throws WeirError `ENOENT` if the neighbour has no filter there, `ERANGE` if no priority is left on its side.
 */
export function clsactPriority(filters: readonly Filter[], order: Anchor, where: string): number {
  const taken = filters.map(({ priority }) => priority);
  const [least, most] = range(filters, order, where);
  const free = (priority: number) => !taken.includes(priority);
  if (CLSACT_PRIORITY >= least && CLSACT_PRIORITY <= most && free(CLSACT_PRIORITY)) return CLSACT_PRIORITY;
  // At the side that the order names: next to the neighbour, or to all.
  const isBefore = order.at === "head" || order.at === "before";
  const [first, step] = isBefore ? [most, -1] : [least, 1];
  for (let priority = first; priority >= least && priority <= most; priority += step) {
    if (free(priority)) return priority;
  }
  const shared = filters.some(({ kind, priority }) => kind === "bpf" && priority === most + 1);
  if (isBefore && shared) return most + 1;
  throw new WeirError({
    code: "ERANGE",
    operation: `choose a priority for a TC filter of ${where}`,
    reason: `there is none left ${isBefore ? "before" : "behind"} ${isBefore ? most + 1 : least - 1}`,
    hint: "give the other filters priorities further from the end (tc filter)",
  });
}

/** Lowest and highest priority that the order allows. */
function range(filters: readonly Filter[], order: Anchor, where: string): [number, number] {
  if ("neighbour" in order) {
    const id = programOf(order.neighbour);
    const found = filters.filter(({ programId }) => programId === id).map(({ priority }) => priority);
    if (id !== 0 && found.length > 0) {
      return order.at === "before" ? [LOWEST, Math.min(...found) - 1] : [Math.max(...found) + 1, HIGHEST];
    }
    throw new WeirError({
      code: "ENOENT",
      operation: `choose a priority for a TC filter of ${where}`,
      reason: `program ${id} has no filter there`,
    });
  }
  const all = filters.map(({ priority }) => priority);
  return order.at === "head"
    ? [LOWEST, Math.min(...all, HIGHEST + 1) - 1]
    : [Math.max(...all, LOWEST - 1) + 1, HIGHEST];
}

/** The kernel's id of a neighbour's program. */
function programOf(neighbour: Neighbour): number {
  if (neighbour instanceof BpfLink) return neighbour.programId();
  if ("programId" in neighbour) return neighbour.programId;
  // Links are no filters: one that is known by its id only has none here.
  return "id" in neighbour ? neighbour.id : 0;
}
