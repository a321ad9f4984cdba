// SPDX-License-Identifier: Apache-2.0
/**
 * Looks through the flows of the kernel's tables after a change. Slots, records and next hops are the kernel's own,
 * mapped into the memory of the module that decides: a flow that is not concerned costs some tens of nanoseconds, and no
 * system call.
 */

import {
  DecisionOperationValue,
  flowReviewCodec,
  policyRootCodec,
  REVIEW_GONE,
  REVIEW_OVER,
  REVIEW_POLICY,
  REVIEW_WAY,
  WEIR_REVIEW_VRFS,
  workerControlCodec,
} from "../layout/index.ts";
import { FILTER_SETS } from "./memory_layout.ts";
import type { PolicyImage } from "./policy/types.ts";
import type { WorkerMemory } from "./worker_memory.ts";

/** Exports of wasm/review.ts. */
export interface ReviewModule {
  collectFlows(review: number, family: number, slots: number, at: number, end: number): number;
  judgeFlows(review: number, judging: boolean): number;
  leadFlows(review: number, leading: boolean): number;
  lookAgainAtFlows(review: number): number;
}

/** Which flows a change of policies may concern. */
export interface PolicyChange {
  /** Numbers of the interfaces whose policies have changed. */
  readonly policies: Iterable<number>;
  /**
   * Its set 1 allows the flows that may be decided otherwise, whichever of their ends has the policy; `undefined`, or
   * one that there is no room for: all.
   */
  readonly filter: PolicyImage | undefined;
}

/** Which flows a change of ways may concern. All are numbers. */
export interface WayChange {
  /** Interfaces that flows come from: these may not be where they were. */
  readonly interfaces: Iterable<number>;
  /** Interfaces that are no more. */
  readonly gone: Iterable<number>;
  /** Interfaces that no flow from or to goes on. */
  readonly over: Iterable<number>;
  /** Next hops that flows go to, or whose tunnels they come from. */
  readonly nexthops: Iterable<number>;
  /** Mirrors that are no more. */
  readonly mirrors: Iterable<number>;
  /** VRFs in which routes have changed; flows are known by the one that they began in. */
  readonly vrfs: Iterable<number>;
  /** Of these VRFs' flows, its set 1 allows those whose routes have changed; `undefined`, or no room for it: all. */
  readonly filter: PolicyImage | undefined;
  /** Marks the flows that look for their way. */
  readonly mark: number;
}

/** The steps of a look through the flows. Between them the kernel program carries out the records. */
export class FlowReview {
  readonly #memory: WorkerMemory;
  readonly #module: ReviewModule;

  constructor(memory: WorkerMemory, module: ReviewModule) {
    this.#memory = memory;
    this.#module = module;
    const { review } = memory.layout;
    const { view } = memory;
    flowReviewCodec.interfaces.set(view, review.at, review.interfaces);
    flowReviewCodec.nexthops.set(view, review.at, review.nexthops);
    flowReviewCodec.mirrors.set(view, review.at, review.mirrors);
    flowReviewCodec.vrfs.set(view, review.at, review.vrfs);
  }

  /** Begins a look by policy: `judge` follows. */
  beginJudging({ policies, filter }: PolicyChange): void {
    this.#clear();
    this.#mark(this.#memory.layout.review.interfaces, policies, REVIEW_POLICY);
    const { view, layout } = this.#memory;
    flowReviewCodec.filter.set(view, layout.review.at, this.#place(filter));
    flowReviewCodec.read.set(view, layout.review.at, DecisionOperationValue.read);
  }

  /** Begins a look at ways: `lead` follows. */
  beginLeading(o: WayChange): void {
    this.#clear();
    const { review } = this.#memory.layout;
    const { view } = this.#memory;
    this.#mark(review.interfaces, o.interfaces, REVIEW_WAY);
    this.#mark(review.interfaces, o.gone, REVIEW_GONE);
    this.#mark(review.interfaces, o.over, REVIEW_OVER);
    this.#mark(review.nexthops, o.nexthops, 1);
    this.#mark(review.mirrors, o.mirrors, 1);
    this.#mark(review.vrfs, o.vrfs, 1);
    const others = [o.interfaces, o.gone, o.over, o.nexthops, o.mirrors].some((numbers) => !isEmpty(numbers));
    const filter = this.#place(o.filter);
    // What the filter does not allow is looked at too, where more than routes has changed.
    flowReviewCodec.filter.set(view, review.at, filter);
    flowReviewCodec.translated.set(view, review.at, 1);
    flowReviewCodec.routes.set(view, review.at, isEmpty(o.vrfs) ? 0 : 1);
    flowReviewCodec.everyone.set(view, review.at, others ? 1 : 0);
    flowReviewCodec.read.set(view, review.at, DecisionOperationValue["read-pair"]);
    flowReviewCodec.revision.set(view, review.at, o.mark);
  }

  #clear(): void {
    const { bytes, view, layout } = this.#memory;
    const { review, sizes } = layout;
    bytes.fill(0, review.interfaces, review.interfaces + sizes.interfaces);
    bytes.fill(0, review.nexthops, review.nexthops + sizes.nexthops);
    bytes.fill(0, review.mirrors, review.mirrors + (review.vrfs - review.mirrors));
    bytes.fill(0, review.vrfs, review.vrfs + WEIR_REVIEW_VRFS);
    for (const field of ["filter", "translated", "routes", "everyone"] as const) {
      flowReviewCodec[field].set(view, review.at, 0);
    }
  }

  #mark(at: number, numbers: Iterable<number>, bit: number): void {
    const { bytes } = this.#memory;
    for (const number of numbers) bytes[at + number] = (bytes[at + number] ?? 0) | bit;
  }

  /** @returns address of its struct policy_root; 0: none. */
  #place(filter: PolicyImage | undefined): number {
    const { bytes, view, layout } = this.#memory;
    const { review, sizes } = layout;
    const room = sizes.review?.filterBytes ?? 0;
    const set = filter?.compiled[0];
    if (filter === undefined || set === undefined) return 0;
    if (set.byteLength > room || filter.addressSets.byteLength > room) return 0;
    bytes.set(set, review.set);
    bytes.set(filter.addressSets, review.addressSets);
    view.setUint32(review.directory + 4, review.set, true);
    policyRootCodec.setCount.set(view, review.root, FILTER_SETS);
    policyRootCodec.sets.set(view, review.root, review.directory);
    policyRootCodec.addressSets.set(view, review.root, review.addressSets);
    return review.root;
  }

  /**
   * Writes records to be read, for as many flows as there is room for (`count`).
   * @param at the slot to begin with.
   * @param end the first slot that was never in use.
   * @returns the slot to go on at.
   */
  collect(family: 4 | 6, at: number, end: number): number {
    const { review } = this.#memory.layout;
    return this.#module.collectFlows(review.at, family, review.slots[family], at, end);
  }

  /** Records that were written. */
  get count(): number {
    return workerControlCodec.decisionCount.get(this.#memory.view, this.#memory.layout.control);
  }

  /**
   * Has the records of flows that policy does not allow as before delete them.
   * @param judging false: counts the entries of flows between the changed interfaces instead.
   * @returns how many.
   */
  judge(judging: boolean): number {
    return this.#module.judgeFlows(this.#memory.layout.review.at, judging);
  }

  /**
   * Has flows that may go elsewhere look for their way, and deletes those that cannot go on.
   * @param leading false: counts the entries of such flows instead.
   * @returns how many.
   */
  lead(leading: boolean): number {
    return this.#module.leadFlows(this.#memory.layout.review.at, leading);
  }

  /** Has what was just being replaced when it was to be changed be read again. @returns how many records */
  lookAgain(): number {
    return this.#module.lookAgainAtFlows(this.#memory.layout.review.at);
  }
}

function isEmpty(numbers: Iterable<number>): boolean {
  for (const _ of numbers) return false;
  return true;
}
