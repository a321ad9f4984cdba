// SPDX-License-Identifier: Apache-2.0
/** The two places for compiled policies in a worker's memory, and what their rules have counted. */

import { WeirError } from "../errors.ts";
import { policyRuleCodec, policyRuleLayout, policyTableCodec } from "../layout/index.ts";
import type { WorkerMemory } from "./worker_memory.ts";

/** How long a worker may take: it may only just be starting, on a busy machine. */
const ACK_TIMEOUT_MS = 5000;

export class PolicySlots {
  readonly #memory: WorkerMemory;
  readonly #wake: () => void;
  readonly #isRunning: () => boolean;
  /** Index of the slot in force; -1: none yet. */
  #current = -1;
  /** Slot whose counters are not in `#past` yet, because the worker may still be counting there. */
  #retiring = -1;
  /** Hits counted in tables that are gone, by rule id. */
  readonly #past = new Map<number, number>();

  /** @param isRunning false: the worker has no thread yet, and reads no table */
  constructor(memory: WorkerMemory, wake: () => void, isRunning: () => boolean) {
    this.#memory = memory;
    this.#wake = wake;
    this.#isRunning = isRunning;
  }

  /**
   * Puts a table in force. The worker takes it at its next burst.
   * @throws WeirError `ENOSPC` if it is larger than the memory was laid out for
   */
  publish(table: Uint8Array): void {
    const { policies, sizes } = this.#memory.layout;
    if (table.byteLength > sizes.policyBytes) {
      throw new WeirError({
        code: "ENOSPC",
        operation: "put a policy in force",
        reason: `it is compiled to ${table.byteLength} bytes, and there is room for ${sizes.policyBytes}`,
        hint: "use fewer rules, or prefixes in place of single addresses",
      });
    }
    if (this.#retiring >= 0) this.#awaitRetired();
    const slot = this.#current === 0 ? 1 : 0;
    const at = policies[slot];
    this.#memory.bytes.set(table, at);
    Atomics.store(this.#memory.words, this.#memory.control("policy") >> 2, at);
    this.#retiring = this.#current;
    this.#current = slot;
    this.#wake();
  }

  /** True once the worker uses the table in force and no other. */
  get #acknowledged(): boolean {
    if (!this.#isRunning()) return true;
    const { words } = this.#memory;
    const policy = Atomics.load(words, this.#memory.control("policy") >> 2);
    return Atomics.load(words, this.#memory.control("policyAck") >> 2) === policy;
  }

  #awaitRetired(): void {
    const index = this.#memory.control("policyAck") >> 2;
    const deadline = performance.now() + ACK_TIMEOUT_MS;
    this.#wake();
    while (!this.#acknowledged) {
      if (performance.now() > deadline) {
        throw new WeirError({
          code: "ETIMEDOUT",
          operation: "put a policy in force",
          reason: `a slow-path worker did not take the last one within ${ACK_TIMEOUT_MS} ms`,
        });
      }
      Atomics.wait(this.#memory.words, index, Atomics.load(this.#memory.words, index), 1);
    }
    this.#collect();
  }

  /** Keeps what the table that was replaced has counted. */
  #collect(): void {
    if (this.#retiring < 0 || !this.#acknowledged) return;
    this.#count(this.#retiring, this.#past);
    this.#retiring = -1;
  }

  #count(slot: number, hits: Map<number, number>): void {
    const { view, layout } = this.#memory;
    const table = layout.policies[slot];
    if (table === undefined) return;
    const count = policyTableCodec.ruleCount.get(view, table);
    const first = table + policyTableCodec.ruleOffset.get(view, table);
    for (let i = 0; i < count; i++) {
      const rule = first + i * policyRuleLayout.size;
      const value = policyRuleCodec.hits.getNumber(view, rule);
      if (value === 0) continue;
      const id = policyRuleCodec.id.get(view, rule);
      hits.set(id, (hits.get(id) ?? 0) + value);
    }
  }

  /** Adds the hits of every rule since the start to `hits`, by rule id. */
  addHits(hits: Map<number, number>): void {
    this.#collect();
    for (const [id, value] of this.#past) hits.set(id, (hits.get(id) ?? 0) + value);
    for (const slot of [this.#current, this.#retiring]) if (slot >= 0) this.#count(slot, hits);
  }
}
