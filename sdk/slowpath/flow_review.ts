// SPDX-License-Identifier: Apache-2.0
/**
 * Looks through the flows of the kernel's tables after a change of policy. Slots, records and next hops are the kernel's
 * own, mapped into the memory of the module that decides: a flow that is not concerned costs some tens of nanoseconds,
 * and no system call.
 */

import { policyRootCodec, workerControlCodec } from "../layout/index.ts";
import { FILTER_SETS } from "./memory_layout.ts";
import type { PolicyImage } from "./policy/types.ts";
import type { WorkerMemory } from "./worker_memory.ts";

/** Exports of wasm/review.ts. */
export interface ReviewModule {
  collectFlows(family: number, slots: number, at: number, end: number, filter: number): number;
  reviewFlows(changed: number, judging: boolean): number;
  lookAgainAtFlows(): number;
}

/** The steps of a look through the flows. Between them the kernel program carries out the records. */
export class FlowReview {
  readonly #memory: WorkerMemory;
  readonly #module: ReviewModule;
  #filter = 0;

  constructor(memory: WorkerMemory, module: ReviewModule) {
    this.#memory = memory;
    this.#module = module;
  }

  /**
   * Begins.
   * @param changed numbers of the interfaces whose policies have changed.
   * @param filter its set 1 allows the flows that may be decided otherwise, whichever of their ends has the policy;
   *   `undefined`, or one that there is no room for: all.
   */
  begin(changed: Iterable<number>, filter: PolicyImage | undefined): void {
    const { bytes, view, layout } = this.#memory;
    const { review, sizes } = layout;
    const room = sizes.review?.filterBytes ?? 0;
    bytes.fill(0, review.changed, review.changed + sizes.interfaces);
    for (const id of changed) bytes[review.changed + id] = 1;
    this.#filter = 0;
    const set = filter?.compiled[0];
    if (filter === undefined || set === undefined) return;
    if (set.byteLength > room || filter.addressSets.byteLength > room) return;
    bytes.set(set, review.set);
    bytes.set(filter.addressSets, review.addressSets);
    view.setUint32(review.directory + 4, review.set, true);
    policyRootCodec.setCount.set(view, review.root, FILTER_SETS);
    policyRootCodec.sets.set(view, review.root, review.directory);
    policyRootCodec.addressSets.set(view, review.root, review.addressSets);
    this.#filter = review.root;
  }

  /**
   * Writes records to be read, for as many flows as there is room for (`count`).
   * @param at the slot to begin with.
   * @param end the first slot that was never in use.
   * @returns the slot to go on at.
   */
  collect(family: 4 | 6, at: number, end: number): number {
    return this.#module.collectFlows(family, this.#memory.layout.review.slots[family], at, end, this.#filter);
  }

  /** Records that were written. */
  get count(): number {
    return workerControlCodec.decisionCount.get(this.#memory.view, this.#memory.layout.control);
  }

  /** Has the records of flows that policy does not allow as before delete them. @returns how many */
  judge(): number {
    return this.#module.reviewFlows(this.#memory.layout.review.changed, true);
  }

  /** Entries of the flows in the records that are between the changed interfaces. */
  countConcerned(): number {
    return this.#module.reviewFlows(this.#memory.layout.review.changed, false);
  }

  /** Has what was just being replaced when it was to be deleted be read again. @returns how many records */
  lookAgain(): number {
    return this.#module.lookAgainAtFlows();
  }
}
