// SPDX-License-Identifier: Apache-2.0
/** A pod that makes as many new flows as it may, and asks for more: what others of the node notice. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Benchmark, Settings } from "../harness/benchmark.ts";
import { build, program } from "../harness/build.ts";
import { NEW_FLOW_OBJECTS, NEW_FLOW_PROGRAMS, NewFlows, type Outcome } from "../harness/new_flows.ts";
import { measure } from "../harness/process.ts";
import { type Result, ratio, type Series } from "../harness/result.ts";
import { GATEWAY, NEIGHBOUR, POD_DEVICE, SameNode, SERVER } from "../harness/topology.ts";
import { VRF, WeirNode } from "../harness/weir.ts";

/** New flows a second that the noisy pod may make, and those that it tries. */
const NOISE_LIMIT = 20_000;
const NOISE_RATE = 3 * NOISE_LIMIT;
/** Packets of the noise that are sent at once, about a millisecond's. */
const NOISE_BATCH = 64;
const NOISE_CPU = 1;
/** The noise begins so much earlier, and ends so much later, than what it is to disturb. */
const NOISE_LEAD_MS = 500;
/** What the others do meanwhile, a second. */
const NEW_FLOWS_RATE = 2000;
const ESTABLISHED_FLOWS = 100;
const ESTABLISHED_RATE = 10_000;
/** Numbers of the established flows: behind those of the new ones. */
const ESTABLISHED_FIRST = 4_000_000;

interface Round {
  readonly alone: Outcome;
  readonly beside: Outcome;
  readonly established: Outcome;
  /** Packets of the noise that its limit refused. */
  readonly refused: number;
}

/** What the noisy pod may: nothing, so that its flows are decided and go no further. */
async function addNeighbour(node: WeirNode, lab: SameNode): Promise<void> {
  const { dataPlane } = node;
  await dataPlane
    .transaction()
    .put("policies", { name: "quiet", default: "deny" })
    .put("interfaces", {
      name: "c",
      role: "workload",
      vrf: VRF,
      hook: "tc",
      device: lab.neighbourDevice,
      netns: lab.neighbour,
      mac: NEIGHBOUR.mac,
      addresses: [NEIGHBOUR.address],
      gateways: [GATEWAY.address],
      policies: ["quiet"],
      newFlows: { ratePerSecond: NOISE_LIMIT },
    })
    .commit();
}

/** New flows from the third pod for as long as `seconds`, and a little before and after. */
function makeNoise(lab: SameNode, first: number, seconds: number): Promise<unknown> {
  const flows = Math.round(NOISE_RATE * (seconds + (2 * NOISE_LEAD_MS) / 1000));
  const how = ["-i", POD_DEVICE, "-n", String(flows), "-r", String(NOISE_RATE), "-b", String(NOISE_BATCH), "-w"];
  const addresses = ["-d", SERVER.address, "-S", NEIGHBOUR.address, "-m", GATEWAY.mac, "-M", NEIGHBOUR.mac];
  return measure([program("flow_generator"), ...how, "-a", String(first), ...addresses], {
    netns: lab.neighbour,
    cpu: NOISE_CPU,
  });
}

const refusedOf = (node: WeirNode): number =>
  node.dataPlane
    .drops()
    .filter((drop) => drop.interface === "c" && drop.reason === "flow-limit")
    .reduce((sum, { packets }) => sum + packets, 0);

async function round(lab: SameNode, node: WeirNode, newFlows: NewFlows, settings: Settings): Promise<Round> {
  const { seconds } = settings;
  const news = { flows: NEW_FLOWS_RATE * seconds, rate: NEW_FLOWS_RATE };
  const established = { rate: ESTABLISHED_RATE, cycle: { first: ESTABLISHED_FIRST, flows: ESTABLISHED_FLOWS } };
  node.forgetFlows();
  const alone = await newFlows.run(news);
  await newFlows.run({ ...established, flows: ESTABLISHED_FLOWS, rate: NEW_FLOWS_RATE });
  const refusedBefore = refusedOf(node);
  const besideNoise = async (first: number, run: () => Promise<Outcome>) => {
    const noise = makeNoise(lab, first, seconds);
    await sleep(NOISE_LEAD_MS);
    const outcome = await run();
    await noise;
    return outcome;
  };
  const beside = await besideNoise(0, () => newFlows.run(news));
  const kept = await besideNoise(NOISE_RATE * (seconds + 1), () =>
    newFlows.run({ ...established, flows: ESTABLISHED_RATE * seconds }),
  );
  const refused = refusedOf(node) - refusedBefore;
  if (refused === 0) throw new Error(`${NOISE_RATE} new flows a second were not limited to ${NOISE_LIMIT}`);
  return { alone, beside, established: kept, refused };
}

async function run(settings: Settings): Promise<Result> {
  await build(NEW_FLOW_PROGRAMS, NEW_FLOW_OBJECTS);
  await using lab = await SameNode.create({ id: "nn", routed: false, neighbour: true });
  await using node = await WeirNode.start(lab, { hook: "tc", policy: true });
  await addNeighbour(node, lab);
  await using newFlows = await NewFlows.attach(lab);
  const rounds: Round[] = [];
  for (let i = 1; i <= settings.rounds; i++) {
    settings.progress(`round ${i} of ${settings.rounds}`);
    await settings.patience.wait();
    rounds.push(await round(lab, node, newFlows, settings));
  }
  const series = (label: string, unit: string, of: (round: Round) => number): Series => ({
    label,
    unit,
    samples: rounds.map(of),
  });
  const sum = (of: (round: Round) => number) => rounds.reduce((total, each) => total + of(each), 0);
  const p50 = [
    series("first packet p50, alone", "us", ({ alone }) => alone.p50),
    series("first packet p50, beside noise", "us", ({ beside }) => beside.p50),
  ] as const;
  const p99 = [
    series("first packet p99, alone", "us", ({ alone }) => alone.p99),
    series("first packet p99, beside noise", "us", ({ beside }) => beside.p99),
  ] as const;
  const lost = (label: string, value: number) => ({ label, value, unit: "packets", target: { atMost: 0 } });
  return {
    series: [...p50, ...p99, series("established packets p99, beside noise", "us", (each) => each.established.p99)],
    figures: [
      ratio("first packet p50, beside noise / alone", p50[1], p50[0], { atMost: 2 }),
      ratio("first packet p99, beside noise / alone", p99[1], p99[0], { atMost: 2 }),
      lost(
        "new flows' packets lost beside noise",
        sum(({ beside }) => beside.lost),
      ),
      lost(
        "established flows' packets lost beside noise",
        sum(({ established }) => established.lost),
      ),
    ],
    notes: [
      `noise: ${NOISE_RATE} new flows/s of a pod that may make ${NOISE_LIMIT}, ${sum(({ refused }) => refused)} of them refused; its policy denies them`,
      `beside it: ${NEW_FLOWS_RATE} new flows/s, then ${ESTABLISHED_FLOWS} established flows with ${ESTABLISHED_RATE} packets/s, from another pod`,
    ],
    notRun: [],
  };
}

export const noisyNeighbour: Benchmark = {
  name: "noisy-neighbour",
  title: "new and established flows beside a pod at its new-flow limit",
  run,
};
