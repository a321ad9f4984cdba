// SPDX-License-Identifier: Apache-2.0
/** What the demo prints while it works: one line a step, and a summary at the end. */

import type { Terminal } from "../terminal.ts";

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
  readonly #terminal: Terminal;
  readonly #outcomes: Outcome[] = [];

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  get allHeld(): boolean {
    return this.#outcomes.every(({ held }) => held);
  }

  /**
   * Runs one step. What `show` returns is the detail behind its title; a {@link DidNotHold} marks the step
   * as failed and lets the demo go on, any other error ends it.
   */
  async step(title: string, show: () => Promise<string>): Promise<void> {
    await this.#terminal.out(`  ..  ${title} ...`);
    const start = performance.now();
    const outcome = await show().then(
      (detail): Outcome => ({ title, held: true, detail }),
      async (error: unknown): Promise<Outcome> => {
        if (error instanceof DidNotHold) return { title, held: false, detail: error.message };
        await this.#terminal.out("\n");
        throw error;
      },
    );
    this.#outcomes.push(outcome);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    const [first = "", ...more] = outcome.detail.split("\n");
    const lines = [
      ` ${seconds} s\n${outcome.held ? "  ok  " : " FAIL "}${first}`,
      ...more.map((line) => `      ${line}`),
    ];
    await this.#terminal.out(`${lines.join("\n")}\n`);
  }

  async summary(): Promise<void> {
    const failed = this.#outcomes.filter(({ held }) => !held);
    await this.#terminal.out(`\n${this.#outcomes.length - failed.length} of ${this.#outcomes.length} held.\n`);
    for (const { title, detail } of failed) await this.#terminal.out(` FAIL ${title}: ${detail.split("\n")[0]}\n`);
  }
}
