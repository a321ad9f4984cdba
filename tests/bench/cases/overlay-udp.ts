// SPDX-License-Identifier: Apache-2.0
/** Small UDP packets between pods of two nodes: Weir's tunnels beside the kernel's VXLAN device and bridge. */

import { type Benchmark, type Contender, interleave, type Settings } from "../harness/benchmark.ts";
import { build } from "../harness/build.ts";
import { FLOOD_OBJECTS, FLOOD_PROGRAMS, FloodSink } from "../harness/flood.ts";
import { Overlay } from "../harness/overlay.ts";
import { type Result, ratio, type Series } from "../harness/result.ts";

const TARGET = 1.4;
const LEAST_ROUNDS = 5;
const CPU = 0;
const FRAME_BYTES = 64;
/** Enough for the slow path to decide the flow before the flood: a hold entry drops what comes too early. */
const WARM_UP = { seconds: 0.3, cpu: CPU, rate: 1000, size: FRAME_BYTES };

const WEIR = [
  { label: "Weir, VXLAN, TC", id: "v", weir: { encap: "vxlan", hook: "auto" } },
  { label: "Weir, MPLS over UDP, TC", id: "m", weir: { encap: "mpls-udp", hook: "auto" } },
  { label: "Weir, VXLAN, XDP", id: "vx", weir: { encap: "vxlan", hook: "xdp" } },
  { label: "Weir, MPLS over UDP, XDP", id: "mx", weir: { encap: "mpls-udp", hook: "xdp" } },
] as const;

async function run(settings: Settings): Promise<Result> {
  await build(FLOOD_PROGRAMS, FLOOD_OBJECTS);
  await using stack = new AsyncDisposableStack();
  const rounds = Math.max(settings.rounds, LEAST_ROUNDS);
  const contenders: Contender[] = [];
  for (const { label, ...options } of [...WEIR, { label: "Linux, VXLAN and bridge", id: "k" }]) {
    const overlay = stack.use(await Overlay.create(options));
    const sink = stack.use(await FloodSink.attach(overlay, "drop_tc"));
    await sink.flood(WARM_UP);
    const flood = { seconds: settings.seconds, cpu: CPU, size: FRAME_BYTES };
    contenders.push({ label, measure: () => sink.flood(flood) });
  }
  const samples = await interleave(contenders, { ...settings, rounds });
  const series = contenders.map(({ label }, i): Series => ({ label, unit: "packets/s", samples: samples[i] ?? [] }));
  const linux = series.at(-1);
  return {
    series,
    figures: linux
      ? WEIR.flatMap(({ label }, i) => {
          const each = series[i];
          return each === undefined ? [] : [ratio(`${label} / Linux`, each, linux, { atLeast: TARGET })];
        })
      : [],
    notes: [
      `frames of ${FRAME_BYTES} bytes without sk_buff from BPF_PROG_RUN, one flow, IPv4 in IPv4; the sink counts and drops on TC in the pod`,
      `generator and both nodes share CPU ${CPU}, so that all of their costs are in every figure; policy on for Weir`,
      "TC: what hook auto takes, as all devices are veths",
    ],
    notRun: [],
  };
}

export const overlayUdp: Benchmark = { name: "overlay-udp", title: "small UDP packets between pods of two nodes", run };
