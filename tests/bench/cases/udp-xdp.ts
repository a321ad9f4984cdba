// SPDX-License-Identifier: Apache-2.0
/** Small UDP packets into an XDP_DROP sink: Weir on the XDP hook beside Linux forwarding and a FIB program. */

import { type Benchmark, interleave, type Settings } from "../harness/benchmark.ts";
import { build, object } from "../harness/build.ts";
import { FLOOD_OBJECTS, FLOOD_PROGRAMS, FloodSink } from "../harness/flood.ts";
import { run as execute } from "../harness/process.ts";
import { type Result, ratio, type Series } from "../harness/result.ts";
import { SameNode, threadNapi } from "../harness/topology.ts";
import { WeirNode } from "../harness/weir.ts";

const GENERATOR_CPU = 0;
const RECEIVER_CPU = 1;
const TARGET = 1.7;
/** Enough for the slow path to decide the flow before the flood: a hold entry drops what comes too early. */
const WARM_UP = { seconds: 0.3, cpu: GENERATOR_CPU, rate: 1000 };

const LABELS = ["Weir, policy on", "Weir, policy off", "Linux forwarding", "FIB program (as xdp-forward)"] as const;

type Placement = "one CPU" | "two CPUs";

async function run(settings: Settings): Promise<Result> {
  await build(FLOOD_PROGRAMS, [...FLOOD_OBJECTS, "fib_forward"]);
  await using stack = new AsyncDisposableStack();
  const lab = async (id: string, routed: boolean) => stack.use(await SameNode.create({ id, routed }));
  const labs = [await lab("p", false), await lab("w", false), await lab("l", true), await lab("f", true)] as const;
  const [policyOn, policyOff, linux, fib] = labs;
  stack.use(await WeirNode.start(policyOn, { hook: "xdp", policy: true }));
  stack.use(await WeirNode.start(policyOff, { hook: "xdp", policy: false }));
  // Plain forwarding gets what helps it: NAPI with GRO hands its stack whole lists of packets.
  await execute(["ethtool", "-K", linux.clientDevice, "gro", "on"], { netns: linux.node });
  const attach = ["link", "set", "dev", fib.clientDevice, "xdpdrv", "obj", object("fib_forward"), "sec", "xdp"];
  await execute(["ip", ...attach], { netns: fib.node });

  const sinks: FloodSink[] = [];
  for (const each of labs) sinks.push(stack.use(await FloodSink.attach(each)));
  const flood = (sink: FloodSink) => sink.flood({ seconds: settings.seconds, cpu: GENERATOR_CPU });
  const contenders = sinks.map((sink, index) => ({ label: LABELS[index] ?? "", measure: () => flood(sink) }));

  for (const sink of sinks) await sink.flood(WARM_UP);
  const one = toSeries("one CPU", await interleave(contenders, settings));
  for (const each of labs) await threadNapi(each.node, each.clientDevice, RECEIVER_CPU);
  const two = toSeries("two CPUs", await interleave(contenders, settings));
  return {
    series: [...one, ...two],
    figures: [...figures("one CPU", one), ...figures("two CPUs", two)],
    notes: [
      "60-byte frames without sk_buff from BPF_PROG_RUN, one flow; every forwarder has the same XDP_DROP sink",
      `one CPU: generator and forwarder share CPU ${GENERATOR_CPU}, so the generator's own cost is in every figure`,
      `two CPUs: the receiving veth's NAPI is a thread on CPU ${RECEIVER_CPU}; every page then changes CPU twice`,
    ],
    notRun: [],
  };
}

function toSeries(placement: Placement, samples: readonly number[][]): Series[] {
  return LABELS.map((label, index) => ({
    label: `${label}, ${placement}`,
    unit: "packets/s",
    samples: samples[index] ?? [],
  }));
}

function figures(placement: Placement, series: readonly Series[]) {
  const [policyOn, policyOff, linux, fib] = series;
  if (!policyOn || !policyOff || !linux || !fib) return [];
  return [
    ratio(`Weir, policy on / Linux, ${placement}`, policyOn, linux, { atLeast: TARGET }),
    ratio(`Weir, policy off / Linux, ${placement}`, policyOff, linux, { atLeast: TARGET }),
    ratio(`Weir, policy on / FIB program, ${placement}`, policyOn, fib),
    ratio(`Weir, policy off / FIB program, ${placement}`, policyOff, fib),
  ];
}

export const udpXdp: Benchmark = { name: "udp-xdp", title: "small UDP packets between two pods on the XDP hook", run };
