// SPDX-License-Identifier: Apache-2.0
/**
 * One TCP stream from pod a to pod b: Weir on the TC hook with policy on, beside plain Linux routing.
 *
 * Weir raises the veths' packet limits (BIG TCP), which plain routing leaves to whoever makes the veths. So that
 * nobody takes the one for the other, both are measured with and without.
 */

import { Netlink, packetLimitNames } from "../../../sdk/netlink/index.ts";

import { type Benchmark, type Contender, interleave, type Settings } from "../harness/benchmark.ts";
import { build } from "../harness/build.ts";
import { type Result, ratio, type Series } from "../harness/result.ts";
import { stream } from "../harness/tcp_stream.ts";
import { POD_DEVICE, SameNode } from "../harness/topology.ts";
import { WeirNode } from "../harness/weir.ts";

const TARGET = 1.15;

const PLACEMENTS = [
  { label: "free", where: {}, target: { atLeast: TARGET } },
  { label: "one CPU", where: { cpu: 0 }, target: undefined },
] as const;

/** What Weir raises packets to. */
const BIG_TCP_BYTES = 196_608;

/** Does by hand what Weir does to both ends of both veths. */
function raisePacketLimits(lab: SameNode): void {
  const packetLimits = Object.fromEntries(packetLimitNames.map((limit) => [limit, BIG_TCP_BYTES]));
  for (const [netns, device] of [
    [lab.node, lab.clientDevice],
    [lab.node, lab.serverDevice],
    [lab.client, POD_DEVICE],
    [lab.server, POD_DEVICE],
  ] as const) {
    using netlink = Netlink.open({ netns });
    netlink.setLink(device, { packetLimits });
  }
}

async function run(settings: Settings): Promise<Result> {
  await build(["tcp_stream"], []);
  await using stack = new AsyncDisposableStack();
  const lab = async (id: string, routed: boolean) => stack.use(await SameNode.create({ id, routed }));
  const [weirLab, smallLab, linuxLab, bigLab] = [
    await lab("w", false),
    await lab("ws", false),
    await lab("l", true),
    await lab("lb", true),
  ];
  stack.use(await WeirNode.start(weirLab, { hook: "tc", policy: true }));
  stack.use(await WeirNode.start(smallLab, { hook: "tc", policy: true, bigTcp: false }));
  raisePacketLimits(bigLab);
  const labs = [
    { label: "Weir, TC hook, policy on", lab: weirLab },
    { label: "Weir with bigTcp: false", lab: smallLab },
    { label: "Linux routing", lab: linuxLab },
    { label: "Linux routing, limits as Weir's", lab: bigLab },
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
    const [weir, small, linux, big] = series;
    if (!weir || !small || !linux || !big) continue;
    figures.push(
      ratio(`Weir / Linux routing, ${placement}`, weir, linux, target),
      ratio(`Weir / Linux, limits as Weir's, ${placement}`, weir, big),
      ratio(`bigTcp: false / Linux routing, ${placement}`, small, linux),
    );
  }
  return {
    series: all,
    figures,
    notes: [
      "128 KiB writes, IPv4, MTU 1500, the system's default congestion control",
      "Weir sets BIG TCP (packets of up to 192 KiB) on the pods' veths by itself; Linux routing has the kernel's defaults (64 KiB)",
      "the ratios to Linux with the same limits set by hand, and without BIG TCP, are those of the data paths alone",
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
