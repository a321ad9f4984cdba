// SPDX-License-Identifier: Apache-2.0
/** New flows a second through a policy of 1 000 rules: Weir beside Open vSwitch and nftables with the same rules. */

import { aclRules, asLinearRules, asMatches, asOneSet, asPolicy } from "../harness/acl.ts";
import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { build } from "../harness/build.ts";
import { NEW_FLOW_OBJECTS, NEW_FLOW_PROGRAMS } from "../harness/new_flows.ts";
import { trackedFlows } from "../harness/openvswitch.ts";
import { type Figure, type Result, ratio, type Series, type Target } from "../harness/result.ts";
import { firstPacketLatency, HOW_MEASURED, losslessRates, trialsAt } from "../harness/setup_rate.ts";
import { median } from "../harness/statistics.ts";
import { conntrackSwitch, openVSwitch, rivalsHere, type Switch, weirSwitch } from "../harness/switches.ts";

const RULES = 1000;
/** What nf_conntrack does on such a machine without any rule. */
const MARK_PER_SECOND = 300_000;
const MAX_P99_US = 1000;

interface Rival {
  readonly contender: Switch;
  readonly target?: Target;
}

async function run(settings: Settings): Promise<Result> {
  await build(NEW_FLOW_PROGRAMS, NEW_FLOW_OBJECTS);
  await using stack = new AsyncDisposableStack();
  const notRun: string[] = [];
  const here = await rivalsHere(notRun);
  const rules = aclRules(RULES);
  const weir = await weirSwitch(stack, asPolicy(rules));
  const rivals: Rival[] = [];
  if (here.openvswitch) {
    const contender = await openVSwitch(stack, trackedFlows(asMatches(rules)));
    rivals.push({ contender, target: { atLeast: 4 } });
  }
  if (here.nftables) {
    const linear = conntrackSwitch("nftables, rules one by one", asLinearRules(rules));
    rivals.push({ contender: linear, target: { atLeast: 3 } });
    rivals.push({ contender: conntrackSwitch("nftables, rules as one set", asOneSet(rules)) });
  }
  const switches = [weir, ...rivals.map(({ contender }) => contender)];

  const { series, notes } = await losslessRates(switches, settings);
  const [own = { label: "", unit: "", samples: [] }, ...others] = series;
  const latencies = await firstPacketLatency(switches, settings);
  const half = Math.max(median(own.samples) / 2, 1);
  return {
    series: [...series, ...latencies],
    figures: [
      { label: "Weir", value: median(own.samples), unit: "flows/s", target: { atLeast: MARK_PER_SECOND } },
      ...rivals.map((rival, i) => beside(rival, own, others[i])),
      ...(await atHalf(weir, half, settings)),
    ],
    notes: [`${RULES} deny rules that no packet matches, the same ones for all`, ...HOW_MEASURED, ...notes],
    notRun,
  };
}

function beside({ contender, target }: Rival, own: Series, other: Series | undefined): Figure {
  return ratio(`Weir / ${contender.label}`, own, other ?? { ...own, samples: [] }, target);
}

async function atHalf(weir: Switch, rate: number, settings: Settings): Promise<Figure[]> {
  const outcomes = await trialsAt(weir, rate, settings);
  const late = outcomes.map(({ p99 }) => p99);
  const lost = outcomes.reduce((sum, outcome) => sum + outcome.lost, 0);
  const where = `at half that rate (${Math.round(rate)}/s)`;
  return [
    {
      label: `Weir: first packet p99 ${where}`,
      value: median(late),
      unit: "us",
      rounds: late,
      target: { atMost: MAX_P99_US },
    },
    { label: `Weir: lost ${where}`, value: lost, unit: "packets", target: { atMost: 0 } },
  ];
}

export const flowSetup: Benchmark = {
  name: "flow-setup",
  title: "new flows a second through a policy of 1 000 rules",
  run,
};
