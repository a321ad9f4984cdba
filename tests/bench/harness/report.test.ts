// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { formatBlock } from "./report.ts";
import { isMet, ratio, type Series } from "./result.ts";

const weir: Series = { label: "Weir", unit: "Gbit/s", samples: [12, 15, 14] };
const linux: Series = { label: "Linux routing", unit: "Gbit/s", samples: [10, 11, 10] };

test("a ratio is that of the medians, with the ratios of the rounds beside it", () => {
  const figure = ratio("Weir / Linux", weir, linux, { atLeast: 1.15 });
  expect(figure.value).toBe(1.4);
  expect(figure.rounds).toEqual([1.2, 15 / 11, 1.4]);
  expect(isMet(figure)).toBe(true);
});

test("a bound from above is met by what lies below it", () => {
  expect(isMet({ label: "cost", value: 1.3, target: { atMost: 1.25 } })).toBe(false);
  expect(isMet({ label: "cost", value: 1.25, target: { atMost: 1.25 } })).toBe(true);
});

test("a block shows each series with its spread, the ratio, the target and whether it was met", () => {
  const block = formatBlock("tcp", "one stream", {
    series: [weir, linux],
    figures: [ratio("Weir / Linux", weir, linux, { atLeast: 1.5 })],
    notes: ["quiet machine"],
    notRun: ["Open vSwitch: not installed"],
  });
  expect(block).toContain("tcp: one stream");
  expect(block).toContain("12 to 15 in 3 rounds");
  expect(block).toMatch(/1\.40 .*target at least 1\.5: NOT MET/);
  expect(block).toContain("not run: Open vSwitch: not installed");
  expect(block).toContain("note: quiet machine");
});

test("a rival that found nothing is not beaten", () => {
  const none: Series = { label: "Open vSwitch", unit: "flows/s", samples: [0, 0, 0] };
  const figure = ratio("Weir / Open vSwitch", weir, none, { atLeast: 4 });
  expect(isMet(figure)).toBe(null);
  expect(formatBlock("flow-setup", "", { series: [], figures: [figure], notes: [], notRun: [] })).toMatch(
    /= Weir \/ Open vSwitch +none +target at least 4: not judged\n/,
  );
});
