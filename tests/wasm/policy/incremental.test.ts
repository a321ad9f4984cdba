// SPDX-License-Identifier: Apache-2.0
/** Policies that change one at a time decide as if all had been compiled anew. */

import { expect, test } from "bun:test";
import { ruleActions } from "../../../sdk/layout/index.ts";
import { PolicyCompiler, type PolicyInput } from "../../../sdk/slowpath/index.ts";
import { FakeWorker } from "../harness.ts";
import { decideNaively, frameOf } from "./naive.ts";
import { MIRRORS, prefixSets, Random, randomCase, randomFlow } from "./random.ts";

const SETS = 6;
const CHANGES = 150;
const PACKETS = 30;

test("what a change does not concern is the same array, and all decide as they read", () => {
  const seed = 77;
  const r = new Random(seed);
  const worker = new FakeWorker();
  const at = worker.layout.umem + 256;
  const compiler = new PolicyCompiler();
  const some = (): readonly PolicyInput[] => randomCase(r, 6).policies;
  const lists = Array.from({ length: SETS }, some);
  let members = prefixSets(r);
  let before = compiler.compile({ revision: 0, sets: lists, prefixSets: members, mirrors: MIRRORS });
  const names = new Map(before.rules.map((rule) => [rule.id, rule]));
  for (let revision = 1; revision <= CHANGES; revision++) {
    const changed = r.below(SETS);
    const onlyMembers = r.once(3);
    if (onlyMembers) members = prefixSets(r);
    else lists[changed] = some();
    const now = compiler.compile({ revision, sets: lists, prefixSets: members, mirrors: MIRRORS });
    for (const rule of now.rules) names.set(rule.id, rule);
    for (const [i, set] of now.compiled.entries()) {
      if (onlyMembers || i !== changed) expect(set).toBe(before.compiled[i] as typeof set);
    }
    worker.setPolicy(now);
    for (let i = 0; i < PACKETS; i++) {
      const set = r.below(SETS);
      const flow = randomFlow(r);
      const direction = r.of(["ingress", "egress"] as const);
      const frame = frameOf(flow);
      worker.setInterface(1, direction === "egress" ? set + 1 : 0);
      worker.setInterface(2, direction === "ingress" ? set + 1 : 0);
      worker.writeTrap(at, frame, {});
      const naive = decideNaively(lists[set] ?? [], flow, direction, members);
      const action = ruleActions[worker.wasm.judge(at, frame.length)];
      const rule = names.get(worker.wasm.rule() >>> 0);
      const found = `${action} by ${rule === undefined ? "" : `${rule.policy}/${rule.rule}`}`;
      expect({ seed, revision, found }).toEqual({ seed, revision, found: `${naive.action} by ${naive.rule}` });
    }
    worker.takeEvents();
    before = now;
  }
});

test("numbers of address sets that nobody names any more are given to others", () => {
  const compiler = new PolicyCompiler();
  const naming = (set: string): PolicyInput[] => [{ name: set, rules: [{ action: "allow", from: [{ set }] }] }];
  const kept = naming("kept");
  const all = new Map(Array.from({ length: 100 }, (_, i) => [`s${i}`, ["10.0.0.1"]]));
  all.set("kept", ["10.0.0.2"]);
  for (let i = 0; i < 100; i++) {
    const { sets } = compiler.compile({ revision: i, sets: [kept, naming(`s${i}`)], prefixSets: all });
    expect(sets.length).toBeLessThanOrEqual(3);
    expect(sets).toContain(`s${i}`);
    expect(sets[0]).toBe("kept");
  }
});
