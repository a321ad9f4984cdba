// SPDX-License-Identifier: Apache-2.0
/** The search for the highest rate at which nothing is lost. */

/** What one trial showed. */
export interface Attempt {
  readonly lost: number;
  /** A second, that the generator really reached. */
  readonly rate: number;
}

export interface SearchOptions {
  /** If this is too much already, the search ends. */
  readonly lowest: number;
  readonly highest: number;
  /** The search ends when it knows the answer to this share of it. */
  readonly precision: number;
  /** Where to begin: an earlier answer, which leaves little to be tried. Default: `lowest`. */
  readonly start?: number;
}

export interface Found {
  /** A rate that the generator reached without a loss; 0: none. */
  readonly rate: number;
  /** What kept it from being higher: packets were lost, the generator was at its limit, or the search was. */
  readonly limit: "loss" | "generator" | "range";
}

/** From an earlier answer, or from anywhere, the first steps go this far. */
const NEAR_STEP = 1.15;
const FAR_STEP = 1.8;

/**
 * The highest rate that was reached without a loss: in steps from the start until one side of the answer and the other
 * are known, then by bisection. A rate that the generator does not reach counts as what it reached.
 */
export async function highestLossless(
  attempt: (rate: number) => Promise<Attempt>,
  options: SearchOptions,
): Promise<Found> {
  const { lowest, highest, precision } = options;
  let rate = Math.min(Math.max(options.start ?? lowest, lowest), highest);
  let step = options.start === undefined ? FAR_STEP : NEAR_STEP;
  let best = 0;
  let low = 0;
  let high = Number.POSITIVE_INFINITY;
  let limit: Found["limit"] = "range";
  for (;;) {
    const { lost, rate: reached } = await attempt(rate);
    if (lost === 0) best = Math.max(best, reached);
    if (lost > 0) {
      high = rate;
      limit = "loss";
    } else if (reached < rate * (1 - precision)) {
      high = rate;
      limit = "generator";
    } else {
      if (rate >= highest) return { rate: best, limit: "range" };
      low = rate;
    }
    if ((rate <= lowest && high === rate) || high - low <= low * precision) return { rate: best, limit };
    if (low > 0 && high < Number.POSITIVE_INFINITY) rate = (low + high) / 2;
    else {
      rate = low > 0 ? Math.min(rate * step, highest) : Math.max(rate / step, lowest);
      // Not near after all.
      step = FAR_STEP;
    }
  }
}
