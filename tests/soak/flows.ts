// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run soak [-- SECONDS] [FLOWS_A_SECOND]`: new flows through a policy of 1 000 rules for ten minutes (or SECONDS), at
 * half the highest rate that the machine does without a loss (or at the given one), while rules and sets change. Prints
 * what was in use meanwhile; exits 1 if a packet that the rules permit was lost, or if something was not given back.
 * Needs root, and what `npm test` installs.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { DataPlane, Rule } from "../../sdk/index.ts";
import { aclRules, asPolicy } from "../bench/harness/acl.ts";
import { build } from "../bench/harness/build.ts";
import { handleInterrupts } from "../bench/harness/interrupt.ts";
import { NEW_FLOW_OBJECTS, NEW_FLOW_PROGRAMS, NewFlows } from "../bench/harness/new_flows.ts";
import { highestRate } from "../bench/harness/setup_rate.ts";
import { median } from "../bench/harness/statistics.ts";
import { SameNode } from "../bench/harness/topology.ts";
import { CLIENT_POLICY, WeirNode } from "../bench/harness/weir.ts";

const RULES = 1000;
const SLICE_SECONDS = 5;
/** Flows come and go: none is used again, and the kernel programs take those away that were idle for so long. */
const IDLE_SECONDS = 1;
/** Room for those of the last seconds, two entries each. */
const ENTRIES = 4 << 20;
const CHANGE_MS = 500;
/** What the heaps of the engine may grow by, from the first third of the run to the last. */
const GROWTH = 1.1;
const GROWTH_BYTES = 32 << 20;
/** Share of the rate that the generator must reach for the run to be what was asked for. */
const REACHED = 0.93;

const [seconds = 600, wanted] = process.argv.slice(2).map(Number);
if (!(seconds > 0) || (wanted !== undefined && !(wanted > 0))) {
  console.error("usage: npm run soak [-- SECONDS] [FLOWS_A_SECOND]");
  process.exit(2);
}

/** Changes rules and a set until it is disposed; none of the rules concerns the measured flows. */
class Changes implements AsyncDisposable {
  count = 0;
  #on = true;
  readonly #done: Promise<void>;

  constructor(dataPlane: DataPlane) {
    this.#done = this.#run(dataPlane, asPolicy(aclRules(RULES)));
  }

  async #run(dataPlane: DataPlane, rules: readonly Rule[]): Promise<void> {
    while (this.#on) {
      const turn = this.count % RULES;
      const turned = [...rules.slice(turn), ...rules.slice(0, turn)];
      const fromSet: Rule = { action: "deny", direction: "egress", proto: "any", from: [{ set: "soak" }] };
      const prefixes = [`198.51.100.${this.count % 256}/32`];
      await dataPlane
        .transaction()
        .put("sets", { name: "soak", prefixes })
        .put("policies", { name: CLIENT_POLICY, default: "allow", rules: [fromSet, ...turned] })
        .commit();
      this.count++;
      await sleep(CHANGE_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#on = false;
    await this.#done;
  }
}

handleInterrupts();
await build(NEW_FLOW_PROGRAMS, NEW_FLOW_OBJECTS);
await using lab = await SameNode.create({ id: "s", routed: false });
await using node = await WeirNode.start(lab, {
  hook: "tc",
  policy: true,
  rules: asPolicy(aclRules(RULES)),
  udpSeconds: IDLE_SECONDS,
  flows: ENTRIES,
});
await using newFlows = await NewFlows.attach(lab);
const { dataPlane } = node;
const trial: NewFlows["run"] = (one) => {
  node.forgetFlows();
  return newFlows.run(one);
};
const rate = wanted ?? (await highestRate({ label: "Weir", trial })).rate / 2;
if (!(rate > 0)) throw new Error("no rate without a loss was found on this machine");
console.log(`${Math.round(rate)} new flows/s for ${seconds} s`);

node.forgetFlows();
const freeBefore = dataPlane.usage().slowPath.frames.free;
const memory: number[] = [];
const reached: number[] = [];
let [sent, lost, changes] = [0, 0, 0];
for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
  const started = performance.now();
  await using change = new Changes(dataPlane);
  const outcome = await newFlows.run({ flows: Math.max(1, Math.round(rate * SLICE_SECONDS)), rate });
  await change[Symbol.asyncDispose]();
  sent += outcome.sent;
  lost += outcome.lost;
  changes += change.count;
  reached.push(outcome.rate);
  Bun.gc(true);
  memory.push(process.memoryUsage.rss());
  console.log(
    `${outcome.sent} flows in ${((performance.now() - started) / 1000).toFixed(1)} s (${Math.round(outcome.rate)}/s), ` +
      `${outcome.lost} lost; ${change.count} changes; first packet p99 ${outcome.p99} us; ` +
      `${dataPlane.usage().slowPath.frames.free} frames free; ${((memory.at(-1) ?? 0) >> 20) | 0} MiB`,
  );
}

node.forgetFlows();
await sleep(1000);
const third = Math.max(1, Math.floor(memory.length / 3));
const [first, last] = [median(memory.slice(0, third)), median(memory.slice(-third))];
const { frames } = dataPlane.usage().slowPath;
const entries = [...dataPlane.flows.entries()].length;
const complaints = [
  lost === 0 ? [] : [`${lost} of ${sent} permitted packets were lost`],
  frames.free === freeBefore ? [] : [`${freeBefore - frames.free} frames were not given back`],
  entries === 0 ? [] : [`${entries} flow entries are left after all were deleted`],
  last <= first * GROWTH + GROWTH_BYTES ? [] : [`memory grew from ${first >> 20} to ${last >> 20} MiB`],
].flat();
console.log(`${sent} flows, ${changes} changes of rules and sets, ${lost} packets lost`);
// Not Weir's failure, but the run shows less than it was to show.
if (median(reached) < rate * REACHED)
  console.log(`NOTE: the generator reached ${Math.round(median(reached))} of ${Math.round(rate)} flows/s`);
for (const complaint of complaints) console.log(`FAILED: ${complaint}`);
if (complaints.length > 0) process.exitCode = 1;
