// SPDX-License-Identifier: Apache-2.0
/**
 * Flows whose policy has changed. What it still allows goes on untouched: were its entries taken away, the next packet
 * might be an answer, which begins nothing, and which policy would judge as if it did. Each flow is judged by the
 * direction that began it, without a packet: its key says all that policy looks at.
 */
import type { Family } from "../../address.ts";
import { flowSlotPoolCodec, flowSlotPoolLayout } from "../../layout/index.ts";
import { compilePolicy, type FlowReview, type PolicyImage } from "../../slowpath/index.ts";
import type { Maps } from "../kernel/tables.ts";
import type { ChangedRules } from "../reconcile/changed_rules.ts";
import type { StaleFlows } from "../reconcile/context.ts";
import type { DecisionRecords } from "./decision_records.ts";

/** Entries that were being replaced are looked at again: that takes a kernel program some microseconds, or its time to run. */
const MOST_ROUNDS = 1000;

const FAMILIES = [4, 6] as const;

/** Judges flows that are there, a thousand at a time. */
export class PolicyReview {
  readonly #pools: Maps["flow_slot_pools"];
  readonly #records: DecisionRecords;
  readonly #engine: { readonly flowReview: FlowReview };

  constructor(
    maps: Pick<Maps, "flow_slot_pools">,
    records: DecisionRecords,
    engine: { readonly flowReview: FlowReview },
  ) {
    this.#pools = maps.flow_slot_pools;
    this.#records = records;
    this.#engine = engine;
  }

  /** Ends the flows that policy does not allow as before. @returns entries deleted */
  run(changed: StaleFlows): number {
    let deleted = 0;
    const records = this.#records;
    for (const { review } of this.#read(changed)) {
      if (review.judge() === 0) continue;
      deleted += records.apply(review.count);
      for (let round = 0; review.lookAgain() > 0 && round < MOST_ROUNDS; round++) {
        records.apply(review.count, "others");
        review.judge();
        deleted += records.apply(review.count);
      }
    }
    return deleted;
  }

  /** How many entries may be decided otherwise. */
  count(changed: StaleFlows): number {
    let count = 0;
    for (const { review } of this.#read(changed)) count += review.countConcerned();
    return count;
  }

  /** Has the flows that a change may concern read into the records, as many as there is room for at a time. */
  *#read({ policies, rules }: StaleFlows): Generator<{ readonly review: FlowReview }> {
    if (policies.size === 0 || rules?.rules.length === 0) return;
    const review = this.#engine.flowReview;
    review.begin(policies, rules === undefined ? undefined : filterOf(rules));
    for (const family of FAMILIES) {
      const end = this.#begun(family);
      for (let at = 0; at < end; ) {
        at = review.collect(family, at, end);
        if (review.count === 0) continue;
        this.#records.apply(review.count, "others");
        yield { review };
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

/** Allows what one of the rules matches. */
function filterOf({ rules, prefixSets }: ChangedRules): PolicyImage {
  return compilePolicy({ revision: 0, sets: [[{ name: "changed", default: "deny", rules }]], prefixSets });
}
