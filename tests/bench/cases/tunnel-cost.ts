// SPDX-License-Identifier: Apache-2.0
/** What an established flow costs on its way into a tunnel, and out of it, beside the kernel's own routing on XDP. */

import type { Collection } from "../../../sdk/libbpf/index.ts";
import { withNetns } from "../../../sdk/runtime/netns.ts";
import { type Benchmark, type Contender, interleave, type Settings } from "../harness/benchmark.ts";
import { build } from "../harness/build.ts";
import { run as execute } from "../harness/process.ts";
import { type Figure, type Result, ratio, type Series } from "../harness/result.ts";
import { SameNode, SERVER } from "../harness/topology.ts";
import { fabricFrame, podFrame, type TunnelKind } from "../harness/tunnel_frames.ts";
import { type Direction, flowPackets, loadTunnelTables, setFrame } from "../harness/tunnel_tables.ts";

const REPEAT = 1_000_000;
/** Verdicts that a run must end with, or it measured something else (linux/bpf.h). */
const XDP_DROP = 1;
const XDP_REDIRECT = 4;
const TARGET = 1.5;
/** Test runs see the loopback device of the namespace as the one that received the packet. */
const LOOPBACK_IFINDEX = 1;

const RESTORING = "restoring the frame";
const FIB = "restoring and FIB program";

const CASES: readonly { readonly kind: TunnelKind; readonly direction: Direction; readonly label: string }[] = [
  { kind: "vxlan", direction: "encapsulation", label: "VXLAN encapsulation" },
  { kind: "vxlan", direction: "decapsulation", label: "VXLAN decapsulation" },
  { kind: "mpls-udp", direction: "encapsulation", label: "MPLS over UDP encapsulation" },
  { kind: "mpls-udp", direction: "decapsulation", label: "MPLS over UDP decapsulation" },
];

/** Nanoseconds a packet, of which making the frame anew is a part. */
function testRun(netns: string, collection: Collection, program: string, verdict: number, data: Uint8Array): number {
  setFrame(collection, data);
  const result = withNetns(netns, () => collection.program(program).testRun({ data, repeat: REPEAT }));
  if (result.retval !== verdict) throw new Error(`${program} returned ${result.retval}, not ${verdict}`);
  return result.durationNs;
}

async function run(settings: Settings): Promise<Result> {
  await build([], ["tunnel_bench"]);
  await using lab = await SameNode.create({ id: "t", routed: true });
  const netns = `/run/netns/${lab.node}`;
  const route = ["route", "add", "10.64.0.0/10", "via", SERVER.address, "dev", lab.serverDevice, "onlink"];
  await execute(["ip", ...route], { netns: lab.node });
  const link = await execute(["ip", "-o", "link", "show", lab.serverDevice], { netns: lab.node });
  const devices = { receivingIfindex: LOOPBACK_IFINDEX, sendingIfindex: Number.parseInt(link, 10) };
  using stack = new DisposableStack();
  const tables = CASES.map((each) => ({
    ...each,
    collection: stack.use(withNetns(netns, () => loadTunnelTables({ ...each, ...devices }))),
    frame: each.direction === "encapsulation" ? podFrame() : fabricFrame(each.kind),
  }));
  const [first] = tables;
  if (first === undefined) throw new Error("no cases");
  const contenders: Contender[] = [
    {
      label: RESTORING,
      measure: async () => testRun(netns, first.collection, "bench_restore", XDP_DROP, podFrame()),
    },
    { label: FIB, measure: async () => testRun(netns, first.collection, "bench_fib", XDP_REDIRECT, podFrame()) },
    ...tables.map(({ label, collection, frame, direction }) => ({
      label,
      measure: async () => {
        const before = flowPackets(collection, direction);
        const cost = testRun(netns, collection, "bench_pipeline", XDP_REDIRECT, frame);
        const hits = flowPackets(collection, direction) - before;
        if (hits < REPEAT) throw new Error(`${label}: the flow had ${hits} packets of ${REPEAT}`);
        return cost;
      },
    })),
  ];
  const samples = await interleave(contenders, settings);
  const series = contenders.map(({ label }, i): Series => ({ label, unit: "ns", samples: samples[i] ?? [] }));
  return {
    series,
    figures: figures(series),
    notes: [
      `BPF_PROG_TEST_RUN, ${REPEAT} rounds each, XDP; frames of 128 bytes at the program's start, UDP over IPv4 in IPv4`,
      "policy on, one flow that is established; its packets are routed, and counted for interface, VRF, tunnel and flow",
      "the program makes the frame anew in each round, which is in all figures, and takes back what it was moved by",
    ],
    notRun: [],
  };
}

function figures(series: readonly Series[]): Figure[] {
  const find = (label: string) => series.find((each) => each.label === label) ?? { label, unit: "ns", samples: [] };
  const restoring = find(RESTORING);
  const without = (of: Series): Series => ({
    ...of,
    samples: of.samples.map((sample, round) => sample - (restoring.samples[round] ?? 0)),
  });
  return CASES.flatMap(({ label }) => [
    ratio(`${label} / FIB program`, find(label), find(FIB), { atMost: TARGET }),
    ratio(`${label} / FIB program, without restoring`, without(find(label)), without(find(FIB))),
  ]);
}

export const tunnelCost: Benchmark = {
  name: "tunnel-cost",
  title: "one packet of an established flow, into a tunnel and out of it",
  run,
};
