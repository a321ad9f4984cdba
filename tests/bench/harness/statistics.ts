// SPDX-License-Identifier: Apache-2.0
/** Figures from repeated, interleaved measurements on a machine that others use too. */

/** The middle value; of an even number of values the mean of the two in the middle. `NaN` of none. */
export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) return Number.NaN;
  const lower = sorted[middle - 1];
  return sorted.length % 2 === 1 || lower === undefined ? upper : (lower + upper) / 2;
}

/** Smallest and largest value. */
export function spread(samples: readonly number[]): { readonly low: number; readonly high: number } {
  return { low: Math.min(...samples), high: Math.max(...samples) };
}

/** `a[i] / b[i]` of the rounds that both have: what the machine did to both at the same time cancels out. */
export function pairedRatios(a: readonly number[], b: readonly number[]): number[] {
  return a.slice(0, b.length).map((value, round) => value / (b[round] ?? Number.NaN));
}
