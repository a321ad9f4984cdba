// SPDX-License-Identifier: Apache-2.0
/** Sweeps idle flows out of the tables, now and then. */
import type { FlowSweep } from "./sweep.ts";

/** From the beginning of a round to that of the next. A flow goes in the second round after its idle time. */
const INTERVAL_MS = 5000;

/** Between two slices, so that the thread has time for others: at most some two fifths of it go to the sweep. */
const PAUSE_MS = 3;

/** Runs rounds of the sweep, a slice at a time, until disposed. */
export class Ageing implements Disposable {
  readonly #sweep: FlowSweep;
  readonly #also: () => void;
  readonly #onFailure: (reason: string) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #began = performance.now();

  /**
   * @param also done at the beginning of each round.
   * @param onFailure told what neither could do.
   */
  constructor(sweep: FlowSweep, also: () => void, onFailure: (reason: string) => void) {
    this.#sweep = sweep;
    this.#also = also;
    this.#onFailure = onFailure;
    this.#after(INTERVAL_MS, () => this.#begin());
  }

  #after(delayMs: number, act: () => boolean): void {
    this.#timer = setTimeout(() => {
      let more = false;
      try {
        more = act();
      } catch (error) {
        this.#onFailure(error instanceof Error ? error.message : String(error));
      }
      if (more) return this.#after(PAUSE_MS, () => this.#sweep.slice());
      this.#after(Math.max(PAUSE_MS, this.#began + INTERVAL_MS - performance.now()), () => this.#begin());
    }, delayMs);
    this.#timer.unref();
  }

  #begin(): boolean {
    this.#began = performance.now();
    this.#also();
    return this.#sweep.slice();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
