// SPDX-License-Identifier: Apache-2.0
/** How much of its CPU's time the thread was using, and so whether it may run before all ordinary ones. */

/** Between two looks at the clocks. */
export const WINDOW_NS = 10_000_000;
/** The share of its CPU that is left to ordinary threads, whatever comes. */
const MAX_SHARE = 0.9;
/**
 * A busier thread that may run on any CPU is to run where there is room for it. The kernel finds such a place for
 * ordinary threads; those of real time stay where they are, whoever waits there.
 */
const MAX_SHARE_ANYWHERE = 0.5;

export class RealtimeBudget {
  readonly #maxShare: number;
  #since: number;
  #used: number;

  /** @param bound the thread runs on one CPU. @param now nanoseconds of a clock. @param used nanoseconds of CPU time of the thread so far. */
  constructor(bound: boolean, now: number, used: number) {
    this.#maxShare = bound ? MAX_SHARE : MAX_SHARE_ANYWHERE;
    this.#since = now;
    this.#used = used;
  }

  /** Whether it is time to look. */
  isDue(now: number): boolean {
    return now - this.#since >= WINDOW_NS;
  }

  /** Whether the thread may go first from now on, by what it used since the last look. */
  renew(now: number, used: number): boolean {
    const share = (used - this.#used) / Math.max(now - this.#since, 1);
    this.#since = now;
    this.#used = used;
    return share <= this.#maxShare;
  }
}
