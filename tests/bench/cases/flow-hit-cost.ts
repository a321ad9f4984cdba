// SPDX-License-Identifier: Apache-2.0
/** What one packet of an established flow costs, with few and with many flows and routes in the maps. */

import type { Collection } from "../../../sdk/libbpf/index.ts";
import { withNetns } from "../../../sdk/runtime/netns.ts";
import { type Benchmark, type Contender, interleave, type Settings } from "../harness/benchmark.ts";
import { build } from "../harness/build.ts";
import { FIRST_DESTINATION, frameTo, loadFlowTables, selectFlows, setPolicy } from "../harness/flow_tables.ts";
import { run as execute } from "../harness/process.ts";
import { type Figure, type Result, ratio, type Series } from "../harness/result.ts";
import { SameNode, SERVER } from "../harness/topology.ts";

const SIZES = [10, 10_000, 1_000_000] as const;
const CAPACITY = 1_048_576;
const REPEAT = 1_000_000;
/** Verdicts that a run must end with, or it measured something else (linux/bpf.h). */
const XDP_DROP = 1;
const XDP_REDIRECT = 4;
const SAME_TARGET = 1.2;
const RANDOM_TARGET = 5;

/** Test runs see the loopback device of the namespace as the one that received the packet. */
const LOOPBACK_IFINDEX = 1;

class Runner {
  readonly #netns: string;

  constructor(netns: string) {
    this.#netns = netns;
  }

  /** Nanoseconds a packet, of which the restoring of the frame is a part. */
  measure(collection: Collection, program: string, verdict: number): number {
    const data = frameTo(FIRST_DESTINATION);
    const result = withNetns(this.#netns, () => collection.program(program).testRun({ data, repeat: REPEAT }));
    if (result.retval !== verdict) throw new Error(`${program} returned ${result.retval}, not ${verdict}`);
    return result.durationNs;
  }
}

async function run(settings: Settings): Promise<Result> {
  await build([], ["weir_bench"]);
  await using lab = await SameNode.create({ id: "c", routed: true });
  await routeByKernel(lab);
  using stack = new DisposableStack();
  const netns = `/run/netns/${lab.node}`;
  const ifindex = Number(
    await execute(["ip", "-o", "link", "show", lab.serverDevice], { netns: lab.node }).then(first),
  );
  const tables = SIZES.map((flows) => {
    settings.progress(`filling the maps with ${flows} flows and routes`);
    const options = { flows, capacity: CAPACITY, receivingIfindex: LOOPBACK_IFINDEX, sendingIfindex: ifindex };
    return { flows, collection: stack.use(withNetns(netns, () => loadFlowTables(options))) };
  });
  const runner = new Runner(netns);
  const [small] = tables;
  if (small === undefined) throw new Error("no tables");
  const beside = (label: string, program: string, verdict: number): Contender => ({
    label,
    measure: async () => {
      selectFlows(small.collection, small.flows, true);
      return runner.measure(small.collection, program, verdict);
    },
  });
  const contenders: Contender[] = [
    beside("empty program", "bench_empty", XDP_DROP),
    beside("restoring the frame", "bench_restore", XDP_DROP),
    beside("restoring and FIB program", "bench_fib", XDP_REDIRECT),
    ...tables.flatMap(({ flows, collection }) => modes(runner, flows, collection)),
  ];
  const samples = await interleave(contenders, settings);
  const series = contenders.map(({ label }, i): Series => ({ label, unit: "ns", samples: samples[i] ?? [] }));
  return {
    series,
    figures: figures(series),
    notes: [
      `BPF_PROG_TEST_RUN, ${REPEAT} rounds each; the program restores the frame in each round, which is in all figures`,
      "flow: policy on, one lookup of the flow; route: policy off, one lookup of the route; UDP over IPv4, XDP",
    ],
    notRun: [],
  };
}

function modes(runner: Runner, flows: number, collection: Collection): Contender[] {
  const measure = async (policy: boolean, same: boolean) => {
    setPolicy(collection, policy);
    selectFlows(collection, flows, same);
    return runner.measure(collection, "bench_pipeline", XDP_REDIRECT);
  };
  return [
    { label: sizeLabel("flow", "same", flows), measure: () => measure(true, true) },
    { label: sizeLabel("flow", "random", flows), measure: () => measure(true, false) },
    { label: sizeLabel("route", "same", flows), measure: () => measure(false, true) },
    { label: sizeLabel("route", "random", flows), measure: () => measure(false, false) },
  ];
}

function sizeLabel(what: "flow" | "route", which: "same" | "random", flows: number): string {
  return `Weir, ${which} ${what} of ${flows}`;
}

/** Neighbour and route for the FIB program. */
async function routeByKernel(lab: SameNode): Promise<void> {
  const route = ["route", "add", "10.64.0.0/10", "via", SERVER.address, "dev", lab.serverDevice, "onlink"];
  await execute(["ip", ...route], { netns: lab.node });
}

function figures(series: readonly Series[]): Figure[] {
  const find = (label: string) => series.find((each) => each.label === label) ?? { label, unit: "ns", samples: [] };
  const [few, , many] = SIZES;
  const grows = (what: "flow" | "route", which: "same" | "random", target?: number) =>
    ratio(
      `${which} ${what}: ${many} / ${few}`,
      find(sizeLabel(what, which, many)),
      find(sizeLabel(what, which, few)),
      target === undefined ? undefined : { atMost: target },
    );
  return [
    grows("flow", "same", SAME_TARGET),
    grows("flow", "random", RANDOM_TARGET),
    grows("route", "same"),
    grows("route", "random"),
    ratio("same flow / FIB program", find(sizeLabel("flow", "same", few)), find("restoring and FIB program")),
  ];
}

/** The index in front of the colon of `ip -o link show`. */
function first(line: string): string {
  return line.slice(0, line.indexOf(":"));
}

export const flowHitCost: Benchmark = { name: "flow-hit-cost", title: "one packet of an established flow", run };
