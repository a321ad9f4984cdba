// SPDX-License-Identifier: Apache-2.0
/** What a benchmark found: measured series, and figures derived from them beside their targets. */

import { median, pairedRatios } from "./statistics.ts";

/** One thing measured several times. */
export interface Series {
  readonly label: string;
  /** `Gbit/s`, `packets/s`, `ns`. */
  readonly unit: string;
  readonly samples: readonly number[];
}

/** A bound that a figure is held against. */
export type Target = { readonly atLeast: number } | { readonly atMost: number };

/** One figure that a reader looks for. */
export interface Figure {
  readonly label: string;
  readonly value: number;
  /** Left out: a ratio. */
  readonly unit?: string;
  /** The same figure round by round, to show how far it can be trusted. */
  readonly rounds?: readonly number[];
  readonly target?: Target;
}

export interface Result {
  readonly series: readonly Series[];
  readonly figures: readonly Figure[];
  /** What the reader must know to judge the figures. */
  readonly notes: readonly string[];
  /** Parts that could not run here, with the reason. */
  readonly notRun: readonly string[];
}

/** `null`: the figure has no target, or there is no figure, for what it is held against did not run. */
export function isMet(figure: Figure): boolean | null {
  if (figure.target === undefined || !Number.isFinite(figure.value)) return null;
  return "atLeast" in figure.target ? figure.value >= figure.target.atLeast : figure.value <= figure.target.atMost;
}

/** The ratio of the medians, with the ratios of the single rounds beside it. */
export function ratio(label: string, of: Series, over: Series, target?: Target): Figure {
  const figure = {
    label,
    value: median(of.samples) / median(over.samples),
    rounds: pairedRatios(of.samples, over.samples),
  };
  return target === undefined ? figure : { ...figure, target };
}
