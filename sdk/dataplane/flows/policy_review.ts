// SPDX-License-Identifier: Apache-2.0
/**
 * Flows whose policy has changed. What it still allows goes on untouched: were its entries taken away, the next packet
 * might be an answer, which begins nothing, and which policy would judge as if it did. Each flow is judged by the
 * direction that began it, without a packet: its key says all that policy looks at.
 */
import { compilePolicy, type FlowReview, type PolicyImage } from "../../slowpath/index.ts";
import type { ChangedRules } from "../reconcile/changed_rules.ts";
import type { StaleFlows } from "../reconcile/context.ts";
import type { FlowLook, ReviewEngine } from "./flow_look.ts";

/** Judges flows that are there. */
export class PolicyReview {
  readonly #look: FlowLook;
  readonly #engine: ReviewEngine;

  constructor(look: FlowLook, engine: ReviewEngine) {
    this.#look = look;
    this.#engine = engine;
  }

  /** Ends the flows that policy does not allow as before. @returns entries deleted */
  run(changed: StaleFlows): number {
    const review = this.#begin(changed);
    return review === undefined ? 0 : this.#look.change(review, () => review.judge(true));
  }

  /** How many entries may be decided otherwise. */
  count(changed: StaleFlows): number {
    const review = this.#begin(changed);
    return review === undefined ? 0 : this.#look.sum(review, () => review.judge(false));
  }

  /** `undefined`: no flow can be concerned. */
  #begin({ policies, rules }: StaleFlows): FlowReview | undefined {
    if (policies.size === 0 || rules?.rules.length === 0 || this.#look.isEmpty) return undefined;
    const review = this.#engine.flowReview;
    review.beginJudging({ policies, filter: rules === undefined ? undefined : filterOf(rules) });
    return review;
  }
}

/** Allows what one of the rules matches. */
function filterOf({ rules, prefixSets }: ChangedRules): PolicyImage {
  return compilePolicy({ revision: 0, sets: [[{ name: "changed", default: "deny", rules }]], prefixSets });
}
