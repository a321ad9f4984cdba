// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run test:kernel-routes [-- ROUTES]`: 500 000 routes (or ROUTES) of a kernel table come into a VRF, change and go.
 * Prints how long that takes beside ip(8); exits 1 unless both tables are the same after each step.
 * Needs root, and what `npm test` installs.
 */
import { DataPlane } from "../../sdk/index.ts";
import { Lab, twoNodesTopology } from "../../sdk/lab/index.ts";
import { floodDocument, RouteFlood } from "../kernel/kernel_routes_flood.ts";

const count = Number(process.argv[2] ?? 500_000);
if (!(count > 0)) {
  console.error("usage: npm run test:kernel-routes [-- ROUTES]");
  process.exit(2);
}

/** @returns whether both tables were the same after each step */
async function run(): Promise<boolean> {
  using lab = Lab.create(twoNodesTopology(), { prefix: `wK-${process.pid}-` });
  const dp = await DataPlane.open({ instance: `wK-${process.pid}`, netns: lab.path("n1"), limits: { flows: 8192 } });
  let same = true;
  try {
    await dp.apply(floodDocument);
    const flood = new RouteFlood(lab, dp, count);
    for (const step of ["arrive", "change", "leave"] as const) {
      const { ipSeconds, seconds, longestStallMs } = await flood[step]();
      Bun.gc(true);
      const heap = Math.round(process.memoryUsage().heapUsed / 2 ** 20);
      if (step === "change") {
        console.log(`${count} routes are read anew: longest stall ${(await flood.readAnew()).toFixed(0)} ms`);
      }
      const different = await flood.differences();
      same &&= different.length === 0;
      const verdict = different.length === 0 ? "the same" : `DIFFERENT at ${different.join(" ")}`;
      console.log(
        `${count} routes ${step}: ip(8) ${ipSeconds.toFixed(1)} s, in the VRF after ${seconds.toFixed(1)} s, longest stall ${longestStallMs.toFixed(0)} ms, heap ${heap} MiB; the tables are ${verdict}`,
      );
    }
  } finally {
    await dp.destroy();
  }
  return same;
}

process.exit((await run()) ? 0 : 1);
