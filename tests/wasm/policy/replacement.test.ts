// SPDX-License-Identifier: Apache-2.0
/** Policies that are replaced while a thread decides by them. */

import { expect, test } from "bun:test";
import { policyRootCodec, RuleActionValue } from "../../../sdk/layout/index.ts";
import {
  compileAddressSets,
  compilePolicy,
  PolicyCompiler,
  type PolicyRuleInput,
} from "../../../sdk/slowpath/index.ts";
import { PolicySlots } from "../../../sdk/slowpath/policy/slots.ts";
import { FakeWorker } from "../harness.ts";
import type { JudgingStart } from "./judging_thread.ts";
import { frameOf } from "./naive.ts";

const SOURCE = "10.0.0.1";
const FLOW = {
  source: SOURCE,
  destination: "10.0.0.2",
  protocol: 6,
  sourcePort: 1,
  destinationPort: 80,
  icmp: undefined,
};
/** Rules in front that the packet does not match, so that a half-written table would be seen. */
const OTHERS: PolicyRuleInput[] = Array.from({ length: 300 }, (_, i) => ({
  action: "ask",
  from: [`172.16.${i >> 8}.${i & 255}`],
}));

/**
 * Two pairs of rules and a set that allow the packet; rules of one with the set of the other would deny it. The
 * first rule counts every verdict, in whichever table.
 */
function pair(which: "a" | "b", revision: number) {
  const member = which === "a" ? SOURCE : "192.0.2.1";
  const action = which === "a" ? "allow" : "deny";
  const counting = { name: "count", rules: [{ name: "every", action: "pass" as const }] };
  const deciding = { name: "decide", rules: [...OTHERS, { action, from: [{ set: "s" }] } as PolicyRuleInput] };
  return compilePolicy({
    revision,
    sets: [[{ ...counting, default: which === "a" ? ("deny" as const) : ("allow" as const) }, deciding]],
    prefixSets: new Map([["s", [member]]]),
  });
}

/** Address of a policy set in force. */
function placeOf({ worker }: FakeWorker, set: number): number {
  const { view } = worker;
  const root = view.getUint32(worker.control("policy"), true);
  return view.getUint32(policyRootCodec.sets.get(view, root) + set * 4, true);
}

interface Running {
  readonly slots: PolicySlots;
  /** Verdicts so far: all, and those that were not to allow. */
  readonly counts: Int32Array;
  stop(): Promise<void>;
}

async function judging(worker: FakeWorker): Promise<Running> {
  const counts = new Int32Array(new SharedArrayBuffer(16));
  const slots = new PolicySlots(
    worker.worker,
    () => {},
    () => true,
  );
  const packet = worker.layout.umem + 256;
  const frame = frameOf(FLOW);
  worker.setInterface(1, 0);
  worker.setInterface(2, 1);
  worker.writeTrap(packet, frame, {});
  const thread = new Worker(new URL("./judging_thread.ts", import.meta.url).href);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  thread.onerror = (error) => reject(new Error(error.message));
  thread.onmessage = () => resolve();
  const { memory } = worker.worker;
  const { control } = worker.layout;
  const { allow } = RuleActionValue;
  thread.postMessage({ memory, control, packet, length: frame.length, counts, allow } satisfies JudgingStart);
  while (Atomics.load(counts, 0) === 0) await Bun.sleep(1);
  const stop = async () => {
    Atomics.store(counts, 2, 1);
    await promise;
    thread.terminate();
  };
  return { slots, counts, stop };
}

test("rules and sets change together, and no hit is lost, while a thread decides", async () => {
  const running = await judging(new FakeWorker());
  const { slots, counts } = running;
  let compiled = pair("a", 1);
  slots.publish(compiled);
  for (let revision = 2; revision <= 300; revision++) {
    compiled = pair(revision % 2 === 0 ? "b" : "a", revision);
    slots.publish(compiled);
  }
  await running.stop();
  expect(Atomics.load(counts, 1)).toBe(0);
  const hits = new Map<number, number>();
  slots.addHits(hits);
  const every = compiled.rules.find(({ policy, rule }) => policy === "count" && rule === "every")?.id ?? 0;
  expect(hits.get(every)).toBe(Atomics.load(counts, 3));
}, 30_000);

test("a set is updated without its rules, which stay and go on counting", async () => {
  const worker = new FakeWorker();
  const running = await judging(worker);
  const { slots, counts } = running;
  const compiled = pair("a", 1);
  slots.publish(compiled);
  for (let revision = 2; revision <= 300; revision++) {
    const members = [SOURCE, `10.1.${revision >> 8}.${revision & 255}`, "10.2.0.0/16"];
    const addressSets = compileAddressSets(compiled.sets, new Map([["s", members]]));
    slots.publish({ ...compiled, revision, addressSets });
  }
  await running.stop();
  expect(Atomics.load(counts, 1)).toBe(0);
  // In one and the same place all along.
  expect(placeOf(worker, 1)).toBe(worker.layout.policies.sets.at);
}, 30_000);

test("of many policy sets only those that change move, and what is given back is used again", () => {
  const worker = new FakeWorker();
  const { policies } = worker;
  const compiler = new PolicyCompiler();
  const policy = (name: string, rules: number) => ({
    name,
    rules: OTHERS.slice(0, rules).map((rule) => ({ ...rule })),
  });
  const sets = Array.from({ length: 8 }, (_, i) => [policy(`p${i}`, 10)]);
  let places: number[] = [];
  for (let revision = 1; revision <= 2000; revision++) {
    const changed = revision % sets.length;
    sets[changed] = [policy(`p${changed}`, 10 + (revision % 290))];
    policies.publish(compiler.compile({ revision, sets }));
    const now = sets.map((_, i) => placeOf(worker, i + 1));
    expect(new Set(now).size).toBe(sets.length);
    if (revision > 1) expect(now.filter((at, i) => at !== places[i])).toHaveLength(1);
    places = now;
  }
});
