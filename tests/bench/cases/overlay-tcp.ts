// SPDX-License-Identifier: Apache-2.0
/** One TCP stream between pods of two nodes: Weir's tunnels beside the kernel's VXLAN device and bridge. */

import { type Benchmark, type Contender, interleave, type Settings } from "../harness/benchmark.ts";
import { build } from "../harness/build.ts";
import { Overlay } from "../harness/overlay.ts";
import { type Result, ratio, type Series } from "../harness/result.ts";
import { stream } from "../harness/tcp_stream.ts";

const TARGET = 1.1;
/** The median of five is asked for. */
const LEAST_ROUNDS = 5;

async function run(settings: Settings): Promise<Result> {
  await build(["tcp_stream"], []);
  await using stack = new AsyncDisposableStack();
  const rounds = Math.max(settings.rounds, LEAST_ROUNDS);
  const contenders: Contender[] = [];
  for (const [label, options] of [
    ["Weir, VXLAN", { id: "v", weir: { encap: "vxlan", hook: "auto" } }],
    ["Weir, MPLS over UDP", { id: "m", weir: { encap: "mpls-udp", hook: "auto" } }],
    ["Linux, VXLAN and bridge", { id: "k" }],
  ] as const) {
    const overlay = stack.use(await Overlay.create(options));
    contenders.push({ label, measure: () => stream(overlay, {}, settings.seconds) });
  }
  const samples = await interleave(contenders, { ...settings, rounds });
  const series = contenders.map(({ label }, i): Series => ({ label, unit: "Gbit/s", samples: samples[i] ?? [] }));
  const [vxlan, mpls, linux] = series;
  return {
    series,
    figures:
      vxlan && mpls && linux
        ? [
            ratio("VXLAN, Weir / Linux", vxlan, linux, { atLeast: TARGET }),
            ratio("MPLS over UDP / Linux's VXLAN", mpls, linux, { atLeast: TARGET }),
          ]
        : [],
    notes: [
      "128 KiB writes, IPv4 in IPv4, MTU 1500 in the pods and 1600 between the nodes, the system's congestion control",
      "Weir: hook auto (TC, as all devices are veths), policy on at both pods; Linux: bridged, no policy",
    ],
    notRun: [],
  };
}

export const overlayTcp: Benchmark = { name: "overlay-tcp", title: "one TCP stream between pods of two nodes", run };
