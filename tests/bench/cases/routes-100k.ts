// SPDX-License-Identifier: Apache-2.0
/** 100 000 routes in one transaction, beside `ip -batch` into a table of the kernel. */

import { type Benchmark, interleave, type Settings } from "../harness/benchmark.ts";
import { run as execute } from "../harness/process.ts";
import type { Result, Series } from "../harness/result.ts";
import { ratio } from "../harness/result.ts";
import { median } from "../harness/statistics.ts";
import { SameNode } from "../harness/topology.ts";
import { SERVER_INTERFACE, VRF, WeirNode } from "../harness/weir.ts";

const COUNT = 100_000;
const TARGET_SECONDS = 1;
const KERNEL_TABLE = "100";

/** 100 000 different host routes. */
const PREFIXES = Array.from({ length: COUNT }, (_, i) => `10.${128 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}/32`);

const elapsed = (start: number): number => (performance.now() - start) / 1000;

/** Seconds from the first call to the resolved commit: then the kernel has it. Leaves nothing behind. */
async function transact(node: WeirNode): Promise<number> {
  const routes = PREFIXES.map((prefix) => ({ vrf: VRF, prefix, via: SERVER_INTERFACE }));
  const start = performance.now();
  await node.dataPlane
    .transaction({ owner: "bench" })
    .put("routes", ...routes)
    .commit();
  const seconds = elapsed(start);
  await node.dataPlane.transaction({ owner: "bench", replace: true }).commit();
  return seconds;
}

async function ipBatch(lab: SameNode): Promise<number> {
  const add = (prefix: string) => `route add ${prefix} dev ${lab.serverDevice} table ${KERNEL_TABLE}`;
  const input = `${PREFIXES.map(add).join("\n")}\n`;
  const start = performance.now();
  await execute(["ip", "-batch", "-"], { netns: lab.node, input });
  const seconds = elapsed(start);
  await execute(["ip", "route", "flush", "table", KERNEL_TABLE], { netns: lab.node });
  return seconds;
}

async function run(settings: Settings): Promise<Result> {
  await using durableLab = await SameNode.create({ id: "w", routed: false });
  await using memoryLab = await SameNode.create({ id: "m", routed: false });
  await using linux = await SameNode.create({ id: "l", routed: true });
  await using durable = await WeirNode.start(durableLab, { hook: "tc", policy: true, persistent: true });
  await using memory = await WeirNode.start(memoryLab, { hook: "tc", policy: true });
  const contenders = [
    { label: "Weir, one transaction, in SQLite too", measure: () => transact(durable) },
    { label: "Weir, one transaction, in memory", measure: () => transact(memory) },
    { label: "ip -batch", measure: () => ipBatch(linux) },
  ] as const;
  const samples = await interleave(contenders, settings);
  const series = contenders.map(({ label }, i): Series => ({ label, unit: "s", samples: samples[i] ?? [] }));
  const [first, , last] = series;
  return {
    series,
    figures:
      first && last
        ? [
            {
              label: "Weir, until the kernel has all",
              value: median(first.samples),
              unit: "s",
              target: { atMost: TARGET_SECONDS },
            },
            ratio("Weir / ip -batch", first, last),
          ]
        : [],
    notes: [`${COUNT} IPv4 host routes; from transaction() to the resolved commit()`],
    notRun: [],
  };
}

export const routes100k: Benchmark = { name: "routes-100k", title: "100 000 routes in one transaction", run };
