// SPDX-License-Identifier: Apache-2.0
/** Measures how many new flows a second are set up without a loss, and how late their first packets are. */

import type { Settings } from "./benchmark.ts";
import type { Outcome, Trial } from "./new_flows.ts";
import { type Found, highestLossless } from "./rate_search.ts";
import type { Series } from "./result.ts";
import type { Switch } from "./switches.ts";

/** The judged number of flows of one trial. */
export const FLOWS = 100_000;
/** A trial is made shorter where that many would take longer than this. */
const MAX_TRIAL_SECONDS = 5;
/**
 * A rate at which so few flows already lose a packet needs no whole trial, which many flows before it make long: the
 * tables of the slower contenders take long to fill and to empty.
 */
const SCREEN_FLOWS = 20_000;
const SLOW_RATE = 1000;
const RANGE = { lowest: 2000, highest: 450_000, precision: 0.07 };
/** Where the first search begins: all that are compared should reach it. */
const FIRST_RATE = 10_000;
/** Before the first search: memory is taken, caches are filled, code is compiled. */
const WARM_UP: Trial = { flows: 10_000, rate: 5000 };
/** Searches are long: fewer of them than rounds of the other benchmarks. */
const MAX_SEARCHES = 3;

export interface Rates {
  /** Flows a second, one series a switch, in their order. */
  readonly series: readonly Series[];
  /** What the reader must know of the searches. */
  readonly notes: readonly string[];
}

/** The highest rates without a loss; each search but the first begins at the last answer. */
export async function losslessRates(switches: readonly Switch[], settings: Settings): Promise<Rates> {
  const searches = Math.min(settings.rounds, MAX_SEARCHES);
  for (const each of switches) {
    settings.progress(`warm-up: ${each.label}`);
    await each.trial(WARM_UP);
  }
  const found: Found[][] = switches.map(() => []);
  for (let round = 1; round <= searches; round++) {
    for (const [index, each] of switches.entries()) {
      settings.progress(`search ${round} of ${searches}: ${each.label}`);
      await settings.patience.wait();
      found[index]?.push(await highestRate(each, found[index]?.at(-1)?.rate));
    }
  }
  const series = switches.map(({ label }, index) => ({
    label: `${label}, no loss`,
    unit: "flows/s",
    samples: found[index]?.map(({ rate }) => rate) ?? [],
  }));
  return { series, notes: switches.flatMap(({ label }, index) => limitNote(label, found[index] ?? [])) };
}

/** A rate that something else limited is only a lower bound. */
function limitNote(label: string, found: readonly Found[]): string[] {
  const unlimited = found.filter(({ limit }) => limit !== "loss").length;
  if (unlimited === 0) return [];
  return [
    `${label}: the generator's limit, not a loss, ended ${unlimited} of ${found.length} searches: at least that rate`,
  ];
}

/** The highest rate without a loss. @param earlier an answer of an earlier search, where this one begins */
export function highestRate(each: Switch, earlier?: number): Promise<Found> {
  const once = async (rate: number) => {
    const whole = trialAt(rate);
    if (whole.flows <= SCREEN_FLOWS) return each.trial(whole);
    const screened = await each.trial({ ...whole, flows: SCREEN_FLOWS });
    return screened.lost > 0 ? screened : each.trial(whole);
  };
  // The machine may have been elsewhere for a moment: a rate is too high for a contender if it loses packets twice.
  const attempt = async (rate: number) => {
    const first = await once(rate);
    return first.lost > 0 ? once(rate) : first;
  };
  return highestLossless(attempt, { ...RANGE, start: earlier ?? FIRST_RATE });
}

function trialAt(rate: number): Trial {
  return { flows: Math.max(1, Math.min(FLOWS, Math.round(rate * MAX_TRIAL_SECONDS))), rate };
}

/** Trials at one rate, one a round. */
export async function trialsAt(each: Switch, rate: number, settings: Settings): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let round = 1; round <= settings.rounds; round++) {
    settings.progress(`${Math.round(rate)} flows/s, round ${round} of ${settings.rounds}: ${each.label}`);
    await settings.patience.wait();
    outcomes.push(await each.trial(trialAt(rate)));
  }
  return outcomes;
}

/** How late first packets are where nothing else is to be done. */
export async function firstPacketLatency(switches: readonly Switch[], settings: Settings): Promise<Series[]> {
  const trial = { flows: SLOW_RATE * settings.seconds, rate: SLOW_RATE };
  const outcomes: Outcome[][] = switches.map(() => []);
  for (let round = 1; round <= settings.rounds; round++) {
    for (const [index, each] of switches.entries()) {
      settings.progress(`first packet, round ${round} of ${settings.rounds}: ${each.label}`);
      await settings.patience.wait();
      outcomes[index]?.push(await each.trial(trial));
    }
  }
  return switches.flatMap(({ label }, index) => [
    { label: `${label}, first packet p50`, unit: "us", samples: outcomes[index]?.map(({ p50 }) => p50) ?? [] },
    { label: `${label}, first packet p99`, unit: "us", samples: outcomes[index]?.map(({ p99 }) => p99) ?? [] },
  ]);
}

/** For the notes of a report. */
export const HOW_MEASURED: readonly string[] = [
  `${FLOWS} UDP flows of one packet a trial, each a new 5-tuple; generator on CPU 0, the work on CPU 1 where it can be told to; the search ends at 7 %; a rate is too high when it loses packets twice`,
  "latency: from sending to TC ingress in pod b; every packet is the first of its flow; at 1000 new flows/s if no rate is given",
];
