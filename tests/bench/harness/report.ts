// SPDX-License-Identifier: Apache-2.0
/** Results as text, one block a benchmark. */

import { type Figure, isMet, type Result, type Series } from "./result.ts";
import { median, spread } from "./statistics.ts";

const LABEL_WIDTH = 46;
const VALUE_WIDTH = 22;

/** The block that is printed for one benchmark. */
export function formatBlock(name: string, title: string, result: Result): string {
  return [
    `${name}: ${title}`,
    ...result.series.map(formatSeries),
    ...result.figures.map(formatFigure),
    ...result.notRun.map((what) => `  not run: ${what}`),
    ...result.notes.map((note) => `  note: ${note}`),
    "",
  ].join("\n");
}

function formatSeries(series: Series): string {
  const { low, high } = spread(series.samples);
  const rounds =
    series.samples.length > 1 ? `${format(low)} to ${format(high)} in ${series.samples.length} rounds` : "one round";
  return line(series.label, `${format(median(series.samples))} ${series.unit}`, rounds);
}

const verdicts = { true: "met", false: "NOT MET", null: "not judged" } as const;

function formatFigure(figure: Figure): string {
  const isThere = Number.isFinite(figure.value);
  const ratio = isThere ? figure.value.toFixed(2) : "none";
  const value = figure.unit === undefined ? ratio : `${format(figure.value)} ${figure.unit}`;
  const parts: string[] = [];
  if (isThere && figure.rounds !== undefined && figure.rounds.length > 1) {
    const { low, high } = spread(figure.rounds);
    parts.push(`${low.toFixed(2)} to ${high.toFixed(2)} by round`);
  }
  if (figure.target !== undefined) parts.push(`${formatTarget(figure)}: ${verdicts[`${isMet(figure)}`]}`);
  return line(`= ${figure.label}`, value, parts.join("; "));
}

function formatTarget(figure: Figure): string {
  if (figure.target === undefined) return "";
  return "atLeast" in figure.target
    ? `target at least ${figure.target.atLeast}`
    : `target at most ${figure.target.atMost}`;
}

function line(label: string, value: string, rest: string): string {
  return `  ${label.padEnd(LABEL_WIDTH)} ${value.padEnd(VALUE_WIDTH)} ${rest}`.trimEnd();
}

/** Four significant digits; thousands are set apart from a thousand on. */
function format(value: number): string {
  if (!Number.isFinite(value)) return "none";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(4)));
}
