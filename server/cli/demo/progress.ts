// SPDX-License-Identifier: Apache-2.0
/** What the demo prints while it works: one line a step, and a summary at the end. */

/** Where lines go; a terminal gets the running step overwritten by its result. */
export interface Output {
  write(text: string): void;
  readonly isTerminal: boolean;
}

/** One thing that the demo shows. */
export interface Outcome {
  readonly title: string;
  readonly held: boolean;
  readonly detail: string;
}

/** Thrown by a step to say that what it shows did not hold. */
export class DidNotHold extends Error {
  override readonly name = "DidNotHold";
}

/** Runs steps one after another, and remembers how each ended. */
export class Progress {
  readonly #output: Output;
  readonly outcomes: Outcome[] = [];

  constructor(output: Output) {
    this.#output = output;
  }

  get allHeld(): boolean {
    return this.outcomes.every((outcome) => outcome.held);
  }

  /**
   * Runs one step. What `show` returns is the detail behind its title; a {@link DidNotHold} marks the step
   * as failed and lets the demo go on, any other error ends it.
   */
  async step(title: string, show: () => Promise<string>): Promise<void> {
    if (this.#output.isTerminal) this.#output.write(`  …  ${title}`);
    const start = performance.now();
    const outcome = await show().then(
      (detail): Outcome => ({ title, held: true, detail }),
      (error: unknown): Outcome => {
        if (!(error instanceof DidNotHold)) throw error;
        return { title, held: false, detail: error.message };
      },
    );
    this.outcomes.push(outcome);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    const mark = outcome.held ? " ok  " : "FAIL ";
    const [first = "", ...more] = outcome.detail.split("\n");
    this.#output.write(`${this.#output.isTerminal ? "\r\u001b[K" : ""}${mark}${title}: ${first}  (${seconds} s)\n`);
    for (const line of more) this.#output.write(`       ${line}\n`);
  }

  summary(): void {
    const failed = this.outcomes.filter((outcome) => !outcome.held);
    const held = this.outcomes.length - failed.length;
    this.#output.write(`\n${held} of ${this.outcomes.length} held.\n`);
    for (const outcome of failed) this.#output.write(`FAIL ${outcome.title}: ${outcome.detail.split("\n")[0]}\n`);
  }
}
