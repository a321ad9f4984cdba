// SPDX-License-Identifier: Apache-2.0
/** What receiving a packet costs through WebAssembly, beside C on libxdp, on the same device. */

import { existsSync } from "node:fs";
import { type Benchmark, type Contender, interleave, type Settings } from "../harness/benchmark.ts";
import { build } from "../harness/build.ts";
import { FLOOD_OBJECTS, FLOOD_PROGRAMS, generate } from "../harness/flood.ts";
import { C_RECEIVER, Receiver, type ReceiverKind, type Reception, WEIR_RECEIVER } from "../harness/receiver.ts";
import { type Result, ratio, type Series } from "../harness/result.ts";
import { SameNode } from "../harness/topology.ts";

const LIBXDP = "/usr/include/xdp/xsk.h";
const PACED_RATE = 500_000;
const TARGET = 1.25;
const GENERATOR_CPU = 0;
/** Until the JIT compiler has seen enough of the receiver, and its rings have gone round. */
const WARM_UP_SECONDS = 1;

/** A fresh receiver, warmed up, then measured. */
async function receive(kind: ReceiverKind, lab: SameNode, seconds: number, rate?: number): Promise<Reception> {
  await using receiver = await Receiver.start(kind, lab);
  const flood = { cpu: GENERATOR_CPU, ...(rate === undefined ? {} : { rate }) };
  await generate(lab, { ...flood, seconds: WARM_UP_SECONDS });
  await receiver.ask();
  const { seconds: took } = await generate(lab, { ...flood, seconds });
  const reception = await receiver.ask();
  return { ...reception, time: took };
}

async function run(settings: Settings): Promise<Result> {
  const hasLibxdp = existsSync(LIBXDP);
  await build(
    [...FLOOD_PROGRAMS, ...(hasLibxdp ? (["xsk_receiver"] as const) : [])],
    [...FLOOD_OBJECTS, "xsk_redirect"],
  );
  await using lab = await SameNode.create({ id: "x", routed: false });
  const kinds = hasLibxdp ? [WEIR_RECEIVER, C_RECEIVER] : [WEIR_RECEIVER];
  const cost = (kind: ReceiverKind): Contender => ({
    label: `${kind.label}, paced`,
    measure: async () => {
      const { cpuNs, packets } = await receive(kind, lab, settings.seconds, PACED_RATE);
      return cpuNs / packets;
    },
  });
  const speed = (kind: ReceiverKind): Contender => ({
    label: `${kind.label}, full rate`,
    measure: async () => {
      const { packets, time } = await receive(kind, lab, settings.seconds);
      return packets / time;
    },
  });
  const contenders = [...kinds.map(cost), ...kinds.map(speed)];
  const samples = await interleave(contenders, settings);
  const series = contenders.map(
    ({ label }, i): Series => ({
      label,
      unit: i < kinds.length ? "ns CPU/packet" : "packets/s",
      samples: samples[i] ?? [],
    }),
  );
  const [weirCost, cCost, weirSpeed, cSpeed] = series;
  const comparable = hasLibxdp && weirCost && cCost && weirSpeed && cSpeed;
  return {
    series,
    figures: comparable
      ? [
          ratio("CPU time a packet, Weir / C", weirCost, cCost, { atMost: TARGET }),
          ratio("packets at full rate, Weir / C", weirSpeed, cSpeed),
        ]
      : [],
    notes: [
      `copy mode on a veth, 60-byte packets, paced at ${PACED_RATE}/s; time on a CPU of the receiving thread (schedstat)`,
      "generator, NAPI and copy on CPU 0, receiver sleeping in poll on CPU 1",
    ],
    notRun: hasLibxdp ? [] : ["C receiver: libxdp-dev is not installed"],
  };
}

export const afXdpReceive: Benchmark = { name: "af-xdp-receive", title: "receiving through AF_XDP", run };
