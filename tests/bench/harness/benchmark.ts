// SPDX-License-Identifier: Apache-2.0
/** What a benchmark is. */

import type { Patience } from "./quiet.ts";
import type { Result } from "./result.ts";

export interface Settings {
  /** Rounds of each measurement; the rivals take turns within a round. At least 1. */
  readonly rounds: number;
  /** Length of one measurement. */
  readonly seconds: number;
  /** Before each measurement. */
  readonly patience: Patience;
  /** Tells what is going on meanwhile. */
  readonly progress: (message: string) => void;
}

export interface Benchmark {
  readonly name: string;
  readonly title: string;
  run(settings: Settings): Promise<Result>;
}

/** One of those that are compared. */
export interface Contender {
  readonly label: string;
  measure(): Promise<number>;
}

/**
 * Measures the contenders in turn, `rounds` times, and returns the samples of each in their
 * order. Every other round goes backwards, so that none always follows the same one.
 */
export async function interleave(contenders: readonly Contender[], settings: Settings): Promise<number[][]> {
  const samples: number[][] = contenders.map(() => []);
  for (let round = 0; round < settings.rounds; round++) {
    const order = [...contenders.keys()];
    if (round % 2 === 1) order.reverse();
    for (const index of order) {
      const contender = contenders[index];
      if (contender === undefined) continue;
      settings.progress(`round ${round + 1} of ${settings.rounds}: ${contender.label}`);
      await settings.patience.wait();
      samples[index]?.push(await contender.measure());
    }
  }
  return samples;
}
