// SPDX-License-Identifier: Apache-2.0
/** A look through the flows that are there, a thousand records at a time: read, told what is to be done, done. */
import type { Family } from "../../address.ts";
import { flowSlotPoolCodec, flowSlotPoolLayout } from "../../layout/index.ts";
import type { FlowReview } from "../../slowpath/index.ts";
import type { Maps } from "../kernel/tables.ts";
import type { DecisionRecords } from "./decision_records.ts";

/** Entries that were being replaced are looked at again: that takes a kernel program some microseconds, or its time to run. */
const MOST_ROUNDS = 1000;

const FAMILIES = [4, 6] as const;

/** Who has the flows. */
export interface ReviewEngine {
  readonly flowReview: FlowReview;
}

/** Carries out looks. */
export class FlowLook {
  readonly #pools: Maps["flow_slot_pools"];
  readonly #records: DecisionRecords;

  constructor(maps: Pick<Maps, "flow_slot_pools">, records: DecisionRecords) {
    this.#pools = maps.flow_slot_pools;
    this.#records = records;
  }

  /** True when there never was a flow. */
  get isEmpty(): boolean {
    return FAMILIES.every((family) => this.#begun(family) === 0);
  }

  /**
   * Changes flows.
   * @param review a look that was begun.
   * @param decide has records change their flows. @returns how many
   * @returns entries deleted
   */
  change(review: FlowReview, decide: () => number): number {
    let deleted = 0;
    for (const _ of this.#read(review)) {
      if (decide() === 0) continue;
      deleted += this.#apply(review);
      for (let round = 0; review.lookAgain() > 0 && round < MOST_ROUNDS; round++) {
        this.#records.apply(review.count, "others");
        if (decide() > 0) deleted += this.#apply(review);
      }
    }
    return deleted;
  }

  /** Sums up what `count` says of the flows. */
  sum(review: FlowReview, count: () => number): number {
    let sum = 0;
    for (const _ of this.#read(review)) sum += count();
    return sum;
  }

  #apply(review: FlowReview): number {
    this.#records.apply(review.count, "others");
    return this.#records.apply(review.count);
  }

  /** Has the flows read into the records, as many as there is room for at a time. */
  *#read(review: FlowReview): Generator<void> {
    for (const family of FAMILIES) {
      const end = this.#begun(family);
      for (let at = 0; at < end; ) {
        at = review.collect(family, at, end);
        if (review.count === 0) continue;
        this.#records.apply(review.count, "others");
        yield;
      }
    }
  }

  /** Slots that have ever been in use. */
  #begun(family: Family): number {
    const key = new Uint8Array(4);
    new DataView(key.buffer).setUint32(0, FAMILIES.indexOf(family), true);
    const value = new Uint8Array(flowSlotPoolLayout.size);
    return this.#pools.lookup(key, value) ? flowSlotPoolCodec.begun.get(new DataView(value.buffer), 0) : 0;
  }
}
