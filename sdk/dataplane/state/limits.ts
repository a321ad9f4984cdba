// SPDX-License-Identifier: Apache-2.0
import { WeirError } from "../../errors.ts";
import { APPLY_STATE, DEFAULT_BUSY_POLL_BUDGET, type Limits, type Node } from "../schema/index.ts";
import type { AnyChange } from "./desired.ts";

/** What a process is given when it opens the instance. */
const FIXED = ["holdLimit", "workers", "workerCpus", "workerPriority"] as const;

type Fixed = number | string | readonly number[] | object;

/**
 * Tables and memory keep the sizes that they were made with, and threads run as they were started.
 * @throws WeirError `ELIMITS` when a changed node asks for others.
 */
export function checkLimits(
  changes: readonly AnyChange[],
  o: { readonly limits: Required<Limits>; readonly busyPoll: Node["busyPoll"] } & {
    readonly [Name in (typeof FIXED)[number]]: Fixed;
  },
): void {
  for (const change of changes) {
    if (change.kind !== "node") continue;
    const node = change.after[0]?.object ?? {};
    for (const [name, wanted] of Object.entries(node.limits ?? {})) {
      checkSize(`/node/limits/${name}`, wanted, o.limits[name as keyof Limits]);
    }
    for (const name of FIXED) {
      const wanted = node[name];
      if (wanted !== undefined) checkSize(`/node/${name}`, wanted, o[name]);
    }
    const { busyPoll } = node;
    if (busyPoll !== undefined) checkSize("/node/busyPoll", whole(busyPoll), whole(o.busyPoll));
  }
}

const whole = (busyPoll: Node["busyPoll"]): Fixed =>
  busyPoll === undefined
    ? "off"
    : { microseconds: busyPoll.microseconds, budget: busyPoll.budget ?? DEFAULT_BUSY_POLL_BUDGET };

function checkSize(field: string, wanted: Fixed, size: Fixed): void {
  const [asked, given] = [wanted, size].map((value) => JSON.stringify(value));
  if (asked === given) return;
  throw new WeirError({
    code: "ELIMITS",
    operation: APPLY_STATE,
    reason: `${field} is ${asked}, but the instance runs with ${given}`,
    hint: "leave it as it is, or take the instance down and start it anew",
    field,
  });
}
