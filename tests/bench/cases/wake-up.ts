// SPDX-License-Identifier: Apache-2.0
/** How late a thread that sleeps in poll sees the packet that wakes it up: a Bun worker beside C. */

import { existsSync } from "node:fs";
import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { build, program } from "../harness/build.ts";
import { run as execute } from "../harness/process.ts";
import { C_RECEIVER, Receiver, type ReceiverKind, type Reception, WEIR_RECEIVER } from "../harness/receiver.ts";
import { type Result, ratio, type Series } from "../harness/result.ts";
import { CLIENT, GATEWAY, POD_DEVICE, SameNode, SERVER } from "../harness/topology.ts";

const LIBXDP = "/usr/include/xdp/xsk.h";
const RATE = 1000;
const GENERATOR_CPU = 0;

async function wakeUps(kind: ReceiverKind, lab: SameNode, seconds: number): Promise<Reception> {
  await using receiver = await Receiver.start(kind, lab, true);
  const addresses = ["-d", SERVER.address, "-S", CLIENT.address, "-m", GATEWAY.mac, "-M", CLIENT.mac];
  const send = (packets: number) => {
    const how = ["-i", POD_DEVICE, "-n", String(packets), "-r", String(RATE)];
    return execute([program("flow_generator"), ...how, ...addresses], { netns: lab.client, cpu: GENERATOR_CPU });
  };
  await send(RATE);
  await receiver.ask();
  await send(Math.round(RATE * seconds));
  return await receiver.ask();
}

async function run(settings: Settings): Promise<Result> {
  const hasLibxdp = existsSync(LIBXDP);
  await build(["flow_generator", ...(hasLibxdp ? (["xsk_receiver"] as const) : [])], ["xsk_redirect"]);
  await using lab = await SameNode.create({ id: "x", routed: false });
  const kinds = hasLibxdp ? [WEIR_RECEIVER, C_RECEIVER] : [WEIR_RECEIVER];
  const outcomes: Reception[][] = kinds.map(() => []);
  for (let round = 1; round <= settings.rounds; round++) {
    for (const [index, kind] of kinds.entries()) {
      settings.progress(`round ${round} of ${settings.rounds}: ${kind.label}`);
      await settings.patience.wait();
      outcomes[index]?.push(await wakeUps(kind, lab, settings.seconds));
    }
  }
  const series = kinds.flatMap(({ label }, index): Series[] => [
    { label: `${label}, p50`, unit: "us", samples: outcomes[index]?.map(({ wakeupP50Us }) => wakeupP50Us) ?? [] },
    { label: `${label}, p99`, unit: "us", samples: outcomes[index]?.map(({ wakeupP99Us }) => wakeupP99Us) ?? [] },
  ]);
  const [weir, , c] = series;
  return {
    series,
    figures: weir && c ? [ratio("p50, Weir / C", weir, c)] : [],
    notes: [`from sending on CPU 0 to the return of poll on CPU 1, ${RATE} packets/s, each of which wakes the thread`],
    notRun: hasLibxdp ? [] : ["C receiver: libxdp-dev is not installed"],
  };
}

export const wakeUp: Benchmark = { name: "wake-up", title: "waking the slow path's worker", run };
