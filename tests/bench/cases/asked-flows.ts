// SPDX-License-Identifier: Apache-2.0
/** New flows that a controller's handler decides: a module in the slow path's worker beside the same on the main thread. */

import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { build } from "../harness/build.ts";
import { NEW_FLOW_OBJECTS, NEW_FLOW_PROGRAMS } from "../harness/new_flows.ts";
import { type Result, ratio, type Series } from "../harness/result.ts";
import { firstPacketLatency, HOW_MEASURED, losslessRates } from "../harness/setup_rate.ts";
import { askedSwitches } from "../harness/switches.ts";

const NONE: Series = { label: "", unit: "", samples: [] };

async function run(settings: Settings): Promise<Result> {
  await build(NEW_FLOW_PROGRAMS, NEW_FLOW_OBJECTS);
  await using stack = new AsyncDisposableStack();
  const switches = await askedSwitches(stack);
  const { series, notes } = await losslessRates(switches, settings);
  const latencies = await firstPacketLatency(switches, settings);
  const [worker = NONE, main = NONE] = series;
  const [workerP50 = NONE, workerP99 = NONE, mainP50 = NONE, mainP99 = NONE] = latencies;
  return {
    series: [...series, ...latencies],
    figures: [
      ratio("asks per second, worker / main thread", worker, main, { atLeast: 1 }),
      ratio("first packet p50, worker / main thread", workerP50, mainP50, { atMost: 1 }),
      ratio("first packet p99, worker / main thread", workerP99, mainP99),
    ],
    notes: ["every flow is asked for, and forwarded by the same function", ...HOW_MEASURED, ...notes],
    notRun: [],
  };
}

export const askedFlows: Benchmark = {
  name: "asked-flows",
  title: "new UDP flows a second that a handler decides, without a loss",
  run,
};
