// SPDX-License-Identifier: Apache-2.0

/** How to take back what a transaction has done so far, newest first. */
export class Undo {
  #steps: (() => void)[] = [];

  /** Notes how to take back what was just done. */
  push(step: () => void): void {
    this.#steps.push(step);
  }

  /** Takes everything back. One step that fails does not keep the others from running. */
  run(): void {
    const steps = this.#steps.reverse();
    this.#steps = [];
    for (const step of steps) {
      try {
        step();
      } catch {
        // The first failure is what the caller hears of; the next full reconciliation mends the rest.
      }
    }
  }

  /** Everything stays. */
  forget(): void {
    this.#steps = [];
  }
}
