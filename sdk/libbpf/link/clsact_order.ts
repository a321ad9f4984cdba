// SPDX-License-Identifier: Apache-2.0
/** What an order among programs means for clsact filters: these have priorities, and lower ones run first. */

import { WeirError } from "../../errors.ts";
import type { Anchor, Neighbour } from "./anchor.ts";
import { CLSACT_HANDLE, CLSACT_PRIORITY } from "./clsact.ts";
import type { Filter } from "./filters.ts";
import { BpfLink } from "./link.ts";

/** Filters have priorities from 1 to 65535. */
const NONE_BEFORE = 0;
const NONE_BEHIND = 0x10000;

/**
 * The priority that puts a filter where `order` says: {@link CLSACT_PRIORITY} where that is right, else the one next to the
 * neighbour, or to all. Where there is none in between it is shared with the filter that is to come next: of BPF filters
 * with one priority the newest runs first (net/sched/cls_bpf.c, cls_bpf_change).
 * @param filters those that are there already.
 * @param where the device, for messages.
 * @throws WeirError `ENOENT` if the neighbour has no filter there, `ERANGE` if no priority is left on its side.
 */
export function clsactPriority(filters: readonly Filter[], order: Anchor, where: string): number {
  const { previous, next, beside } = gap(filters, order, where);
  const isFree = (priority: number) => priority > previous && priority < next;
  const free = [CLSACT_PRIORITY, beside === "next" ? next - 1 : previous + 1].find(isFree);
  if (free !== undefined) return free;
  if (filters.some(({ kind, priority }) => kind === "bpf" && priority === next)) return next;
  throw new WeirError({
    code: "ERANGE",
    operation: `choose a priority for a TC filter of ${where}`,
    reason: `there is none between ${previous} and ${next}`,
    hint: "give the other filters priorities further apart (tc filter)",
  });
}

/** {@link CLSACT_HANDLE}, or the next one that is free within a priority. */
export function clsactHandle(filters: readonly Filter[], priority: number): number {
  const taken = filters.filter((filter) => filter.priority === priority).map(({ handle }) => handle);
  let handle = CLSACT_HANDLE;
  while (taken.includes(handle)) handle++;
  return handle;
}

/** The priorities that the filter is to be between, both exclusive, and the one that it is to be beside. */
interface Gap {
  readonly previous: number;
  readonly next: number;
  readonly beside: "previous" | "next";
}

function gap(filters: readonly Filter[], order: Anchor, where: string): Gap {
  const all = filters.map(({ priority }) => priority);
  const before = (limit: number) => Math.max(NONE_BEFORE, ...all.filter((priority) => priority < limit));
  const behind = (limit: number) => Math.min(NONE_BEHIND, ...all.filter((priority) => priority > limit));
  if (!("neighbour" in order)) {
    return order.at === "head"
      ? { previous: NONE_BEFORE, next: behind(NONE_BEFORE), beside: "next" }
      : { previous: before(NONE_BEHIND), next: NONE_BEHIND, beside: "previous" };
  }
  const id = programOf(order.neighbour);
  const own = filters.filter(({ programId }) => programId === id).map(({ priority }) => priority);
  if (id === 0 || own.length === 0) {
    throw new WeirError({
      code: "ENOENT",
      operation: `choose a priority for a TC filter of ${where}`,
      reason: `program ${id} has no filter there`,
    });
  }
  const [first, last] = [Math.min(...own), Math.max(...own)];
  return order.at === "before"
    ? { previous: before(first), next: first, beside: "next" }
    : { previous: last, next: behind(last), beside: "previous" };
}

/** The kernel's id of a neighbour's program. */
function programOf(neighbour: Neighbour): number {
  if (neighbour instanceof BpfLink) return neighbour.programId();
  if ("programId" in neighbour) return neighbour.programId;
  // Links are no filters: one that is known by its id only has none here.
  return "id" in neighbour ? neighbour.id : 0;
}
