// SPDX-License-Identifier: Apache-2.0
/** New UDP flows a second that are set up without losing a packet: Weir beside conntrack and Open vSwitch. */

import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { build } from "../harness/build.ts";
import { NEW_FLOW_OBJECTS, NEW_FLOW_PROGRAMS } from "../harness/new_flows.ts";
import { EXACT_FLOWS } from "../harness/openvswitch.ts";
import { type Result, ratio } from "../harness/result.ts";
import { firstPacketLatency, HOW_MEASURED, losslessRates, trialsAt } from "../harness/setup_rate.ts";
import { median } from "../harness/statistics.ts";
import { conntrackSwitch, openVSwitch, rivalsHere, weirSwitch } from "../harness/switches.ts";

async function run(settings: Settings): Promise<Result> {
  await build(NEW_FLOW_PROGRAMS, NEW_FLOW_OBJECTS);
  await using stack = new AsyncDisposableStack();
  const notRun: string[] = [];
  const here = await rivalsHere(notRun);
  const weir = await weirSwitch(stack);
  const rivals = [
    ...(here.nftables ? [conntrackSwitch("nftables and conntrack")] : []),
    ...(here.openvswitch ? [await openVSwitch(stack, EXACT_FLOWS)] : []),
  ];
  const switches = [weir, ...rivals];

  const { series, notes } = await losslessRates(switches, settings);
  const [own = { label: "", unit: "", samples: [] }, ...others] = series;
  const half = Math.max(median(own.samples) / 2, 1);
  const latencies = await firstPacketLatency(switches, settings);
  const lost = (await trialsAt(weir, half, settings)).reduce((sum, outcome) => sum + outcome.lost, 0);
  return {
    series: [...series, ...latencies],
    figures: [
      {
        label: `Weir: lost at half that rate (${Math.round(half)}/s)`,
        value: lost,
        unit: "packets",
        target: { atMost: 0 },
      },
      ...others.map((other, i) => ratio(`Weir / ${rivals[i]?.label}`, own, other)),
    ],
    notes: [...HOW_MEASURED, ...notes],
    notRun,
  };
}

export const newFlows: Benchmark = { name: "new-flows", title: "new UDP flows a second without a loss", run };
