// SPDX-License-Identifier: Apache-2.0
/** One TCP stream from pod a to pod b: Weir on the TC hook with policy on, beside plain Linux routing. */

import { type Benchmark, interleave, type Settings } from "../harness/benchmark.ts";
import { build, program } from "../harness/build.ts";
import { measure, Tool } from "../harness/process.ts";
import { type Result, ratio } from "../harness/result.ts";
import { SameNode, SERVER } from "../harness/topology.ts";
import { WeirNode } from "../harness/weir.ts";

const PORT = "5201";
const CLIENT_CPU = 0;
const SERVER_CPU = 1;
const TARGET = 1.15;

/** Gbit/s that arrived in `seconds`. */
async function stream(lab: SameNode, server: Tool, seconds: number): Promise<number> {
  const client = ["client", SERVER.address, PORT, String(seconds)];
  await measure([program("tcp_stream"), ...client], { netns: lab.client, cpu: CLIENT_CPU });
  const received = await server.next<{ bytes: number; seconds: number }>();
  return (received.bytes * 8) / received.seconds / 1e9;
}

async function run(settings: Settings): Promise<Result> {
  await build(["tcp_stream"], []);
  await using weirLab = await SameNode.create({ id: "w", routed: false });
  await using linuxLab = await SameNode.create({ id: "l", routed: true });
  await using _weir = await WeirNode.start(weirLab, { hook: "tc", policy: true });
  const serve = [program("tcp_stream"), "server", PORT];
  await using weirServer = await Tool.start(serve, { netns: weirLab.server, cpu: SERVER_CPU });
  await using linuxServer = await Tool.start(serve, { netns: linuxLab.server, cpu: SERVER_CPU });

  const contenders = [
    { label: "Weir, TC hook, policy on", measure: () => stream(weirLab, weirServer, settings.seconds) },
    { label: "Linux routing", measure: () => stream(linuxLab, linuxServer, settings.seconds) },
  ] as const;
  const [weir = [], linux = []] = await interleave(contenders, settings);
  const series = [
    { label: contenders[0].label, unit: "Gbit/s", samples: weir },
    { label: contenders[1].label, unit: "Gbit/s", samples: linux },
  ] as const;
  return {
    series,
    figures: [ratio("Weir / Linux routing", series[0], series[1], { atLeast: TARGET })],
    notes: [`sender on CPU ${CLIENT_CPU}, receiver on CPU ${SERVER_CPU}, 128 KiB writes, IPv4, MTU 1500`],
    notRun: [],
  };
}

export const tcpSameNode: Benchmark = {
  name: "tcp-same-node",
  title: "one TCP stream between two pods of a node",
  run,
};
