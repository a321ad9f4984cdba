// SPDX-License-Identifier: Apache-2.0
/** How many flows interfaces may make, and how many they have (`struct flow_guard`). */
import { flowGuardCodec, flowGuardLayout, POLICER_TIME_SHIFT } from "../../layout/index.ts";
import type { NewFlows } from "../schema/index.ts";
import type { Undo } from "../state/undo.ts";
import { StructArray } from "./struct_array.ts";

/** Flows that may come at once: those of this time at the rate, or so many. */
const BURST_SECONDS = 0.01;
const LEAST_BURST = 64;

const TICKS_PER_SECOND = 1_000_000_000 * 2 ** POLICER_TIME_SHIFT;

/** What an interface's guard lets pass and counts. */
export interface GuardStatus {
  /** Flows that the interface's packets have made, and that are there. */
  readonly now: number;
  /** At most so many at a time. */
  readonly limit?: number;
  /** Packets that would have made one more than a limit allows; dropped as `flow-limit`. */
  readonly refused: { readonly rate: number; readonly limit: number };
  /** Packets that found no room in the flow table. */
  readonly tableFull: number;
  /** Half-open TCP flows that went for newer ones (`synGuard`). */
  readonly gaveWay: number;
}

interface Guard {
  readonly cost: bigint;
  readonly burst: bigint;
  readonly limit: number;
}

/** Cost of a flow and length of the burst in the units of `struct flow_guard`; 0: no limit. */
export function guardTimes(ratePerSecond: number | undefined): { readonly cost: bigint; readonly burst: bigint } {
  if (ratePerSecond === undefined) return { cost: 0n, burst: 0n };
  const flows = Math.max(LEAST_BURST, Math.round(ratePerSecond * BURST_SECONDS));
  const cost = BigInt(Math.round(TICKS_PER_SECOND / ratePerSecond));
  return { cost, burst: cost * BigInt(flows) };
}

/** The map `flow_guards`. */
export class GuardTable {
  readonly #guards: StructArray;

  /** @param memory the mapping of the map. */
  constructor(memory: ArrayBuffer, length: number) {
    this.#guards = new StructArray(memory, flowGuardLayout.size, length);
  }

  /** Sets the limits. A bucket that was there keeps what is in it; a new one is full. */
  set(interfaceId: number, newFlows: NewFlows | undefined, undo: Undo): void {
    const { view } = this.#guards;
    const base = this.#guards.at(interfaceId);
    const before: Guard = {
      cost: flowGuardCodec.cost.get(view, base),
      burst: flowGuardCodec.burst.get(view, base),
      limit: flowGuardCodec.limit.get(view, base),
    };
    undo.push(() => this.#write(base, before));
    if (before.cost === 0n) flowGuardCodec.time.set(view, base, 0);
    this.#write(base, { ...guardTimes(newFlows?.ratePerSecond), limit: newFlows?.limit ?? 0 });
  }

  #write(base: number, { cost, burst, limit }: Guard): void {
    // Each is one store: the kernel sees the old value or the new one.
    const { view } = this.#guards;
    flowGuardCodec.burst.set(view, base, burst);
    flowGuardCodec.cost.set(view, base, cost);
    flowGuardCodec.limit.set(view, base, limit);
  }

  /** Sets what was refused to zero: the number may have been another interface's. Flows are counted on. */
  clearCounters(interfaceId: number): void {
    const base = this.#guards.at(interfaceId);
    const { overRate, overLimit, tableFull, gaveWay } = flowGuardCodec;
    for (const counter of [overRate, overLimit, tableFull, gaveWay]) counter.set(this.#guards.view, base, 0);
  }

  status(interfaceId: number): GuardStatus {
    const { view } = this.#guards;
    const base = this.#guards.at(interfaceId);
    const limit = flowGuardCodec.limit.get(view, base);
    return {
      now: flowGuardCodec.flows.get(view, base),
      ...(limit === 0 ? {} : { limit }),
      refused: {
        rate: flowGuardCodec.overRate.getNumber(view, base),
        limit: flowGuardCodec.overLimit.getNumber(view, base),
      },
      tableFull: flowGuardCodec.tableFull.getNumber(view, base),
      gaveWay: flowGuardCodec.gaveWay.getNumber(view, base),
    };
  }
}
