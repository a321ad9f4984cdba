// SPDX-License-Identifier: Apache-2.0
/** One TCP stream from pod a to pod b: Weir on the TC hook with policy on, beside plain Linux routing. */

import { type Benchmark, type Contender, interleave, type Settings } from "../harness/benchmark.ts";
import { build, program } from "../harness/build.ts";
import { measure, type Placement, Tool } from "../harness/process.ts";
import { type Result, ratio, type Series } from "../harness/result.ts";
import { SameNode, SERVER } from "../harness/topology.ts";
import { WeirNode } from "../harness/weir.ts";

const PORT = "5201";
const TARGET = 1.15;

const PLACEMENTS = [
  { label: "free", where: {}, target: { atLeast: TARGET } },
  { label: "one CPU", where: { cpu: 0 }, target: undefined },
] as const;

/** Gbit/s that arrived in `seconds`. */
async function stream(lab: SameNode, where: Pick<Placement, "cpu">, seconds: number): Promise<number> {
  const argv = [program("tcp_stream"), "server", PORT];
  await using server = await Tool.start(argv, { netns: lab.server, ...where });
  const client = ["client", SERVER.address, PORT, String(seconds)];
  await measure([program("tcp_stream"), ...client], { netns: lab.client, ...where });
  const received = await server.next<{ bytes: number; seconds: number }>();
  return (received.bytes * 8) / received.seconds / 1e9;
}

async function run(settings: Settings): Promise<Result> {
  await build(["tcp_stream"], []);
  await using weirLab = await SameNode.create({ id: "w", routed: false });
  await using linuxLab = await SameNode.create({ id: "l", routed: true });
  await using _weir = await WeirNode.start(weirLab, { hook: "tc", policy: true });
  const labs = [
    { label: "Weir, TC hook, policy on", lab: weirLab },
    { label: "Linux routing", lab: linuxLab },
  ] as const;
  const all: Series[] = [];
  const figures = [];
  for (const { label: placement, where, target } of PLACEMENTS) {
    const contenders = labs.map(
      ({ label, lab }): Contender => ({
        label: `${label}, ${placement}`,
        measure: () => stream(lab, where, settings.seconds),
      }),
    );
    const samples = await interleave(contenders, settings);
    const series = contenders.map(({ label }, i): Series => ({ label, unit: "Gbit/s", samples: samples[i] ?? [] }));
    all.push(...series);
    const [weir, linux] = series;
    if (weir && linux) figures.push(ratio(`Weir / Linux routing, ${placement}`, weir, linux, target));
  }
  return {
    series: all,
    figures,
    notes: [
      "128 KiB writes, IPv4, MTU 1500, the system's default congestion control",
      "free: the scheduler places sender and receiver; one CPU: both on CPU 0, so that the ratio is that of the CPU time",
    ],
    notRun: [],
  };
}

export const tcpSameNode: Benchmark = {
  name: "tcp-same-node",
  title: "one TCP stream between two pods of a node",
  run,
};
