// SPDX-License-Identifier: Apache-2.0
/** A large node: how long its state takes to program, what it costs in memory, and that it forwards. */

import { type Benchmark, interleave, type Settings } from "../harness/benchmark.ts";
import { run as execute } from "../harness/process.ts";
import { type Result, ratio, type Series } from "../harness/result.ts";
import { INTERFACES, ROUTES, routeOf, ScaleNode, TUNNELS, VRFS } from "../harness/scale_node.ts";
import { SameNode, SERVER } from "../harness/topology.ts";

/** Of the time of `ip -batch`. */
const TARGET = 0.2;
const KERNEL_TABLE = "100";
const BATCH_TIMEOUT_MS = 300_000;
/** Every so many sub-interfaces send a packet when all is there. */
const STEP = 10;
const MIB = 2 ** 20;

async function ipBatch(lab: SameNode, input: string): Promise<number> {
  const start = performance.now();
  await execute(["ip", "-batch", "-"], { netns: lab.node, input, timeoutMs: BATCH_TIMEOUT_MS });
  const seconds = (performance.now() - start) / 1000;
  await execute(["ip", "route", "flush", "table", KERNEL_TABLE], { netns: lab.node, timeoutMs: BATCH_TIMEOUT_MS });
  return seconds;
}

function batchOf(lab: SameNode): string {
  const lines: string[] = [];
  for (let i = 0; i < ROUTES; i++) {
    lines.push(`route add ${routeOf(i).prefix} dev ${lab.serverDevice} table ${KERNEL_TABLE}\n`);
  }
  return lines.join("");
}

async function run(settings: Settings): Promise<Result> {
  await using lab = await SameNode.create({ id: "sw", routed: false });
  await using linux = await SameNode.create({ id: "sl", routed: true });
  await using node = await ScaleNode.start(lab);
  const before = node.kernelMemory();
  settings.progress(`${VRFS} VRFs and ${INTERFACES} interfaces`);
  const interfaces = await node.addInterfaces();
  settings.progress(`${TUNNELS} tunnels`);
  const tunnels = await node.addTunnels();
  let full = 0;
  let resident = 0;
  let sent = 0;
  const puts: number[] = [];
  const ones: number[] = [];
  const transact = async (durable: boolean) => {
    const { put, commit } = await node.addRoutes(durable);
    puts.push(put);
    full = node.kernelMemory();
    resident = process.memoryUsage.rss();
    sent += node.forward(STEP);
    await execute(["ping", "-c", "3", "-i", "0.1", "-W", "1", SERVER.address], { netns: lab.client });
    ones.push(await node.addOneRoute());
    await node.removeRoutes();
    return commit;
  };
  const input = batchOf(linux);
  const contenders = [
    { label: "Weir, durable: false", measure: () => transact(false) },
    { label: "Weir, in SQLite too", measure: () => transact(true) },
    { label: "ip -batch", measure: () => ipBatch(linux, input) },
  ];
  const samples = await interleave(contenders, settings);
  const routes = contenders.map(({ label }, i): Series => ({ label, unit: "s", samples: samples[i] ?? [] }));
  const [memory, store, batch] = routes;
  return {
    series: [
      { label: `${VRFS} VRFs, ${INTERFACES} interfaces`, unit: "s", samples: [interfaces] },
      { label: `${TUNNELS} tunnels`, unit: "s", samples: [tunnels] },
      ...routes,
      { label: "Weir, put() of the routes before", unit: "s", samples: puts },
      { label: "Weir, one more route, stored", unit: "ms", samples: ones },
    ],
    figures:
      memory && store && batch
        ? [
            ratio("Weir, durable: false / ip -batch", memory, batch, { atMost: TARGET }),
            ratio("Weir, in SQLite too / ip -batch", store, batch),
            { label: "kernel memory of the empty tables", value: before / MIB, unit: "MiB" },
            { label: "kernel memory with all", value: full / MIB, unit: "MiB" },
            { label: "resident memory of the controller", value: resident / MIB, unit: "MiB" },
          ]
        : [],
    notes: [
      `${ROUTES} IPv4 host routes in ${VRFS} VRFs, each into a VXLAN tunnel; from commit() to resolved`,
      `with all in place ${sent} packets of sub-interfaces left in their routes' tunnels, and ping passed`,
    ],
    notRun: [],
  };
}

export const scale: Benchmark = { name: "scale", title: "a node of 1 000 000 routes", run };
