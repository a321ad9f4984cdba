// SPDX-License-Identifier: Apache-2.0
/** New UDP flows a second that are set up without losing a packet: Weir beside conntrack and Open vSwitch. */

import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { build } from "../harness/build.ts";
import { conntrackLab } from "../harness/conntrack.ts";
import {
  highestLossless,
  NEW_FLOW_OBJECTS,
  NEW_FLOW_PROGRAMS,
  NewFlows,
  type Outcome,
  type Trial,
} from "../harness/new_flows.ts";
import { OpenVSwitch } from "../harness/openvswitch.ts";
import { installed } from "../harness/process.ts";
import { type Figure, type Result, ratio, type Series } from "../harness/result.ts";
import { median } from "../harness/statistics.ts";
import { SameNode } from "../harness/topology.ts";
import { WeirNode } from "../harness/weir.ts";

/** The judged number of flows of one trial. */
const FLOWS = 100_000;
/** A trial is made shorter where that many would take longer than this. */
const MAX_TRIAL_SECONDS = 5;
const SLOW_RATE = 1000;
const RANGE = { lowest: 10_000, highest: 450_000, precision: 0.07 };
/** Searches are long: fewer of them than rounds of the other benchmarks. */
const MAX_SEARCHES = 3;

/** A way to set up flows; every trial finds an empty table. */
interface Switch {
  readonly label: string;
  trial(trial: Trial): Promise<Outcome>;
}

async function run(settings: Settings): Promise<Result> {
  await build(NEW_FLOW_PROGRAMS, NEW_FLOW_OBJECTS);
  await using stack = new AsyncDisposableStack();
  const notRun: string[] = [];
  const weir = await weirSwitch(stack);
  const switches = [weir];
  if (await installed("nft")) switches.push(conntrackSwitch());
  else notRun.push("conntrack: nftables is not installed");
  if (await installed("ovs-vswitchd")) switches.push(await openVSwitch(stack));
  else notRun.push("Open vSwitch: openvswitch-switch is not installed");

  const searches = Math.min(settings.rounds, MAX_SEARCHES);
  const lossless = switches.map(({ label }) => ({
    label: `${label}, no loss`,
    unit: "flows/s",
    samples: [] as number[],
  }));
  for (let round = 1; round <= searches; round++) {
    for (const [index, each] of switches.entries()) {
      settings.progress(`search ${round} of ${searches}: ${each.label}`);
      await settings.patience.wait();
      lossless[index]?.samples.push(await search(each));
    }
  }
  const half = Math.max(median(lossless[0]?.samples ?? []) / 2, 1);
  const latencies = await firstPacketLatency(switches, settings);
  return {
    series: [...lossless, ...latencies],
    figures: [await lossAtHalf(weir, half, settings), ...compare(lossless)],
    notes: [
      `${FLOWS} UDP flows of one packet a trial, each a new 5-tuple; generator on CPU 0; the search ends at 7 %`,
      "latency: from sending to TC ingress in pod b at 1000 new flows/s; every packet is the first of its flow",
    ],
    notRun,
  };
}

async function weirSwitch(stack: AsyncDisposableStack): Promise<Switch> {
  const lab = stack.use(await SameNode.create({ id: "w", routed: false }));
  const node = stack.use(await WeirNode.start(lab, { hook: "tc", policy: true }));
  const newFlows = stack.use(await NewFlows.attach(lab));
  return {
    label: "Weir, TC hook",
    trial: async (trial) => {
      node.forgetFlows();
      return newFlows.run(trial);
    },
  };
}

/** The only cheap way to an empty table is a new namespace. */
function conntrackSwitch(): Switch {
  return {
    label: "nftables and conntrack",
    trial: async (trial) => {
      await using lab = await conntrackLab("n");
      await using newFlows = await NewFlows.attach(lab);
      return await newFlows.run(trial);
    },
  };
}

async function openVSwitch(stack: AsyncDisposableStack): Promise<Switch> {
  const lab = stack.use(await SameNode.create({ id: "o", routed: false }));
  const ovs = stack.use(await OpenVSwitch.start(lab));
  const newFlows = stack.use(await NewFlows.attach(lab));
  return {
    label: "Open vSwitch, AF_XDP",
    trial: async (trial) => {
      await ovs.flush();
      return newFlows.run(trial);
    },
  };
}

function trialAt(rate: number): Trial {
  return { flows: Math.max(1, Math.min(FLOWS, Math.round(rate * MAX_TRIAL_SECONDS))), rate };
}

/** The highest rate that the generator really reached without a loss. */
async function search(each: Switch): Promise<number> {
  let best = 0;
  await highestLossless(async (rate) => {
    const outcome = await each.trial(trialAt(rate));
    if (outcome.lost === 0) best = Math.max(best, outcome.rate);
    return outcome.lost === 0;
  }, RANGE);
  return best;
}

async function lossAtHalf(weir: Switch, rate: number, settings: Settings): Promise<Figure> {
  const lost: number[] = [];
  for (let round = 1; round <= settings.rounds; round++) {
    settings.progress(`half of the highest rate, round ${round} of ${settings.rounds}`);
    await settings.patience.wait();
    lost.push((await weir.trial(trialAt(rate))).lost);
  }
  const value = lost.reduce((sum, each) => sum + each, 0);
  const label = `Weir: lost at half that rate (${Math.round(rate)}/s)`;
  return { label, value, unit: "packets", target: { atMost: 0 } };
}

async function firstPacketLatency(switches: readonly Switch[], settings: Settings): Promise<Series[]> {
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

function compare([weir, ...rivals]: readonly Series[]): Figure[] {
  if (weir === undefined) return [];
  return rivals.map((rival) => ratio(`Weir / ${rival.label.replace(", no loss", "")}`, weir, rival));
}

export const newFlows: Benchmark = { name: "new-flows", title: "new UDP flows a second without a loss", run };
