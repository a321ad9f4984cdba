// SPDX-License-Identifier: Apache-2.0
/** Guards of interfaces, written into a {@link Pipeline} and read by hand, and what the flow table has of it. */

import { flowEntryCodec, flowGuardCodec, flowGuardLayout, POLICER_TIME_SHIFT } from "../../sdk/layout/generated.ts";
import type { Pipeline } from "./pipeline_harness.ts";
import { u32, viewOf } from "./pipeline_table.ts";

export interface Guard {
  readonly flows: number;
  readonly overRate: number;
  readonly overLimit: number;
  readonly tableFull: number;
  readonly gaveWay: number;
}

function read(pipeline: Pipeline, id: number): Uint8Array {
  const value = new Uint8Array(flowGuardLayout.size);
  pipeline.map("flow_guards").lookup(u32(id), value);
  return value;
}

/** A guard with a full bucket that has `burst` flows. What is counted stays. */
export function setGuard(
  pipeline: Pipeline,
  id: number,
  o: { readonly ratePerSecond?: number; readonly burst?: number; readonly limit?: number },
): void {
  const value = read(pipeline, id);
  const view = viewOf(value);
  const cost =
    o.ratePerSecond === undefined ? 0n : BigInt(Math.round((1e9 * 2 ** POLICER_TIME_SHIFT) / o.ratePerSecond));
  flowGuardCodec.cost.set(view, 0, cost);
  flowGuardCodec.burst.set(view, 0, cost * BigInt(o.burst ?? 0));
  flowGuardCodec.time.set(view, 0, 0);
  flowGuardCodec.limit.set(view, 0, o.limit ?? 0);
  pipeline.map("flow_guards").update(u32(id), value);
}

export function guardOf(pipeline: Pipeline, id: number): Guard {
  const view = viewOf(read(pipeline, id));
  const { flows, overRate, overLimit, tableFull, gaveWay } = flowGuardCodec;
  return {
    flows: flows.get(view, 0),
    overRate: overRate.getNumber(view, 0),
    overLimit: overLimit.getNumber(view, 0),
    tableFull: tableFull.getNumber(view, 0),
    gaveWay: gaveWay.getNumber(view, 0),
  };
}

/** Entries of the table, and how many of them name which interface as the one that made the flow. */
export function ownedFlows(pipeline: Pipeline, family: 4 | 6): { entries: number; byOwner: Record<number, number> } {
  const byOwner: Record<number, number> = {};
  let entries = 0;
  for (const { value } of pipeline.map(`flows${family}`).entries()) {
    entries++;
    const owner = flowEntryCodec.owner.get(viewOf(value), 0);
    if (owner !== 0) byOwner[owner] = (byOwner[owner] ?? 0) + 1;
  }
  return { entries, byOwner };
}
