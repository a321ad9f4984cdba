// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run test:fuzz [-- PACKETS] [SEED] [tc|xdp]`: random packets through the kernel programs, 10 million on each hook
 * if nothing else is said. Prints the seed, which brings the same packets again; exits 1 if one was not accounted for.
 * Needs root, and what `npm test` installs. No packet leaves the machine.
 */
import { runCampaign } from "../kernel/fuzz/campaign.ts";
import { Stage } from "../kernel/fuzz/stage.ts";
import { hooks } from "../kernel/pipeline_harness.ts";

const words = process.argv.slice(2);
const only = hooks.find((hook) => words.includes(hook));
const [packets = 10_000_000, seed = Date.now()] = words.filter((word) => word !== only).map(Number);
if (!Number.isSafeInteger(packets) || packets < 1 || !Number.isSafeInteger(seed) || seed < 0) {
  console.error("usage: npm run test:fuzz [-- PACKETS] [SEED] [tc|xdp]");
  process.exit(2);
}

using stage = new Stage();
for (const hook of hooks.filter((one) => only === undefined || one === only)) {
  console.log(`${hook}: ${packets} packets, seed ${seed} ...`);
  const started = performance.now();
  let shown = 0;
  const progress = (_hook: string, done: number) => {
    const tenth = Math.floor((10 * done) / packets);
    if (tenth > shown) console.log(`${hook}: ${done} packets`);
    shown = tenth;
  };
  const complaints = runCampaign(stage, [hook], { seed, packets, progress });
  const seconds = (performance.now() - started) / 1000;
  for (const complaint of complaints) console.log(`FAILED: ${complaint}`);
  if (complaints.length > 0) process.exitCode = 1;
  else console.log(`${hook}: ${packets} packets, each accounted for, in ${seconds.toFixed(1)} s`);
  const refused = packets - (stage.fates[hook].get("packets") ?? 0);
  if (complaints.length === 0 && refused > 0)
    console.log(`${hook}: ${refused} of them are too short for the kernel to run a program on`);
  const fates = [...stage.fates[hook]].sort(([, a], [, b]) => b - a);
  for (const [fate, count] of fates) console.log(`${String(count).padStart(10)}  ${fate}`);
}
