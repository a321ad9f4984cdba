// SPDX-License-Identifier: Apache-2.0
/** What becomes of the flows that are there when something changes. */
import type { StaleFlows } from "../reconcile/context.ts";
import type { PolicyReview } from "./policy_review.ts";
import type { WayReview } from "./way_review.ts";

/** Looks through the flow tables after a change. */
export class Revalidation {
  readonly #policy: PolicyReview;
  readonly #ways: WayReview;

  constructor(policy: PolicyReview, ways: WayReview) {
    this.#policy = policy;
    this.#ways = ways;
  }

  /** How many entries a change concerns; those that it concerns in two ways count twice. */
  count(changed: StaleFlows): number {
    return this.#policy.count(changed) + this.#ways.count(changed);
  }

  /** Does what a change asks for: what policy allows no more need not look for its way. @returns entries deleted */
  revalidate(changed: StaleFlows): number {
    return this.#policy.run(changed) + this.#ways.run(changed);
  }
}
