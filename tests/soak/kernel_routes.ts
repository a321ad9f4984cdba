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

/** Longest time in which nothing else got its turn, in milliseconds. */
class Stalls implements Disposable {
  longest = 0;
  #last = performance.now();
  readonly #timer = setInterval(() => {
    const now = performance.now();
    this.longest = Math.max(this.longest, now - this.#last);
    this.#last = now;
  }, 1);

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

using lab = Lab.create(twoNodesTopology(), { prefix: `wK-${process.pid}-` });
const dp = await DataPlane.open({ instance: `wK-${process.pid}`, netns: lab.path("n1"), limits: { flows: 8192 } });
let failed = false;
try {
  await dp.apply(floodDocument);
  const flood = new RouteFlood(lab, dp, count);
  for (const step of ["arrive", "change", "leave"] as const) {
    using stalls = new Stalls();
    const [ip, all] = await flood[step]();
    const longest = stalls.longest;
    const different = await flood.differences();
    failed ||= different.length > 0;
    const verdict = different.length === 0 ? "the same" : `DIFFERENT at ${different.join(" ")}`;
    const memory = Math.round(process.memoryUsage.rss() / 2 ** 20);
    console.log(
      `${count} routes ${step}: ip(8) ${ip.toFixed(1)} s, in the VRF after ${all.toFixed(1)} s, longest stall ${longest.toFixed(0)} ms, resident ${memory} MiB; the tables are ${verdict}`,
    );
  }
} finally {
  await dp.destroy();
}
process.exit(failed ? 1 : 0);
