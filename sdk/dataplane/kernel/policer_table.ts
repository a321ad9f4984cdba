// SPDX-License-Identifier: Apache-2.0
/** The token buckets of interfaces (`struct policer`), which all CPUs share. */
import {
  POLICE_DIRECTIONS,
  POLICE_RECEIVED,
  POLICE_SENT,
  POLICER_COST_SHIFT,
  POLICER_TIME_SHIFT,
  policerCodec,
  policerLayout,
} from "../../layout/index.ts";
import type { Policer } from "../schema/index.ts";
import type { Undo } from "../state/undo.ts";
import { StructArray } from "./struct_array.ts";

/** As seen from Weir: `received` is what the interface sends to it. */
export const policeDirections = { received: POLICE_RECEIVED, sent: POLICE_SENT } as const;
export type PoliceDirection = keyof typeof policeDirections;

/** What a policer has dropped since it was set. */
export interface PolicerDrops {
  readonly droppedPackets: number;
  /** On the wire. */
  readonly droppedBytes: number;
}

/** Nanoseconds that a bit takes at 1 bit/s. */
const NS = 1_000_000_000n;

const rounded = (dividend: bigint, divisor: bigint): bigint => (dividend + divisor / 2n) / divisor;

/** Cost of a byte and length of the burst in the units of `struct policer`. */
export function policerTimes({ bitsPerSecond, burstBytes }: Policer): {
  readonly cost: bigint;
  readonly burst: bigint;
} {
  const rate = BigInt(bitsPerSecond);
  return {
    cost: rounded((8n * NS) << BigInt(POLICER_TIME_SHIFT + POLICER_COST_SHIFT), rate),
    burst: rounded((BigInt(burstBytes) * 8n * NS) << BigInt(POLICER_TIME_SHIFT), rate),
  };
}

/** The map `policers`. */
export class PolicerTable {
  readonly #policers: StructArray;

  /** @param memory the mapping of the map. */
  constructor(memory: ArrayBuffer, length: number) {
    this.#policers = new StructArray(memory, policerLayout.size, length);
  }

  #at(interfaceId: number, direction: PoliceDirection): number {
    return this.#policers.at(interfaceId * POLICE_DIRECTIONS + policeDirections[direction]);
  }

  /** Sets rate and burst. A bucket that was there keeps what is in it; a new one is full. */
  set(interfaceId: number, direction: PoliceDirection, policer: Policer | undefined, undo: Undo): void {
    const { view } = this.#policers;
    const base = this.#at(interfaceId, direction);
    const before = { cost: policerCodec.cost.get(view, base), burst: policerCodec.burst.get(view, base) };
    const after = policer === undefined ? { cost: 0n, burst: 0n } : policerTimes(policer);
    if (before.cost === after.cost && before.burst === after.burst) return;
    undo.push(() => this.#write(base, before));
    if (before.cost === 0n) this.#reset(base);
    this.#write(base, after);
  }

  #write(base: number, { cost, burst }: { readonly cost: bigint; readonly burst: bigint }): void {
    // Each is one store: the kernel sees the old value or the new one.
    policerCodec.burst.set(this.#policers.view, base, burst);
    policerCodec.cost.set(this.#policers.view, base, cost);
  }

  #reset(base: number): void {
    for (const field of [policerCodec.time, policerCodec.droppedPackets, policerCodec.droppedBytes])
      field.set(this.#policers.view, base, 0);
  }

  /** Takes both policers of an interface away. */
  clear(interfaceId: number, undo: Undo): void {
    this.set(interfaceId, "received", undefined, undo);
    this.set(interfaceId, "sent", undefined, undo);
  }

  drops(interfaceId: number, direction: PoliceDirection): PolicerDrops {
    const { view } = this.#policers;
    const base = this.#at(interfaceId, direction);
    return {
      droppedPackets: policerCodec.droppedPackets.getNumber(view, base),
      droppedBytes: policerCodec.droppedBytes.getNumber(view, base),
    };
  }
}
