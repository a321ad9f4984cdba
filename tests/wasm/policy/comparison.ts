// SPDX-License-Identifier: Apache-2.0
/** Holds the classifier's verdicts against those of the naive evaluation. */

import { ruleActions } from "../../../sdk/layout/index.ts";
import {
  type CompiledPolicy,
  compileAddressSets,
  compilePolicy,
  type DirectionName,
} from "../../../sdk/slowpath/index.ts";
import { FakeWorker } from "../harness.ts";
import { decideNaively, type Flow, frameOf } from "./naive.ts";
import { type Case, MIRRORS, prefixSets, Random, randomCase, randomFlow } from "./random.ts";

/** A verdict that differs: both, and how to bring it again. */
export interface Difference {
  readonly seed: number;
  readonly flow: Flow;
  readonly direction: DirectionName;
  readonly expected: string;
  readonly found: string;
}

/** A worker with one interface that has policy, in both directions. */
export class Comparison {
  readonly #worker: FakeWorker;
  readonly #at: number;
  #compiled: CompiledPolicy = compilePolicy({ revision: 0, sets: [] });
  #case: Case = { policies: [], prefixSets: new Map() };
  #names = new Map<number, string>();
  #counted = new Map<string, number>();
  #before = new Map<number, number>();

  constructor(policyBytes?: number) {
    this.#worker = new FakeWorker(policyBytes === undefined ? {} : { policyBytes });
    this.#at = this.#worker.layout.umem + 256;
  }

  use(one: Case): CompiledPolicy {
    const revision = this.#compiled.revision + 1;
    const given = { revision, sets: [one.policies], prefixSets: one.prefixSets, mirrors: MIRRORS };
    this.#compiled = compilePolicy(given);
    this.#case = one;
    this.#names = new Map(this.#compiled.rules.map(({ id, policy, rule }) => [id, `${policy}/${rule}`]));
    this.#worker.setPolicy(this.#compiled);
    this.#counted.clear();
    this.#before = this.#hits();
    return this.#compiled;
  }

  /** Changes the members of the sets, and nothing else. */
  update(sets: Case["prefixSets"]): void {
    const revision = this.#compiled.revision + 1;
    this.#compiled = { ...this.#compiled, revision, addressSets: compileAddressSets(this.#compiled.sets, sets) };
    this.#case = { ...this.#case, prefixSets: sets };
    this.#worker.setPolicy(this.#compiled);
  }

  /** What both say, as text. */
  compare(flow: Flow, direction: DirectionName): { readonly expected: string; readonly found: string } {
    const naive = decideNaively(this.#case.policies, flow, direction, this.#case.prefixSets);
    for (const rule of naive.passed) this.#counted.set(rule, (this.#counted.get(rule) ?? 0) + 1);
    const frame = frameOf(flow);
    this.#worker.setInterface(1, direction === "egress" ? 1 : 0);
    this.#worker.setInterface(2, direction === "ingress" ? 1 : 0);
    this.#worker.writeTrap(this.#at, frame, {});
    const { wasm } = this.#worker;
    const action = ruleActions[wasm.judge(this.#at, frame.length)] ?? "none";
    const mirror = MIRRORS.get(naive.mirror ?? "") ?? 0;
    const rule = this.#names.get(wasm.rule() >>> 0) ?? "";
    return {
      expected: `${naive.action} by ${naive.rule}, mirror ${mirror}`,
      found: `${action} by ${rule}, mirror ${wasm.mirror()}`,
    };
  }

  #hits(): Map<number, number> {
    const hits = new Map<number, number>();
    this.#worker.policies.addHits(hits);
    return hits;
  }

  /** Hits of rules that let packets go on, as they were counted and as they should have been. */
  hits(): { readonly expected: Record<string, number>; readonly found: Record<string, number> } {
    this.#worker.takeEvents();
    const found: Record<string, number> = {};
    for (const [id, value] of this.#hits()) {
      const since = value - (this.#before.get(id) ?? 0);
      if (since !== 0) found[this.#names.get(id) ?? String(id)] = since;
    }
    return { expected: Object.fromEntries(this.#counted), found };
  }
}

/** Packets of each rule set. */
const PACKETS = 40;

/**
 * Compares `pairs` random pairs of a rule set and a packet; in half of the rule sets the members of the address sets
 * are changed half-way.
 * @returns the first difference
 */
export function compareRandomly(
  o: { readonly pairs: number; readonly seed: number },
  progress: (pairs: number) => void = () => {},
): Difference | undefined {
  const comparison = new Comparison();
  for (let i = 0; i < o.pairs / PACKETS; i++) {
    const seed = o.seed + i;
    const r = new Random(seed);
    comparison.use(randomCase(r, r.once(10) ? 40 : 8));
    for (let k = 0; k < PACKETS; k++) {
      if (k === PACKETS / 2 && r.once(2)) comparison.update(prefixSets(r));
      const flow = randomFlow(r);
      const direction = r.of(["ingress", "egress"] as const);
      const { expected, found } = comparison.compare(flow, direction);
      if (expected !== found) return { seed, flow, direction, expected, found };
      const { expected: counted, found: hits } = k === PACKETS - 1 ? comparison.hits() : { expected: {}, found: {} };
      if (!Bun.deepEquals(counted, hits)) {
        return { seed, flow, direction, expected: JSON.stringify(counted), found: JSON.stringify(hits) };
      }
    }
    progress((i + 1) * PACKETS);
  }
  return undefined;
}
