// SPDX-License-Identifier: Apache-2.0
/** The places for compiled policies in a worker's memory, and what their rules have counted. */

import { WeirError } from "../../errors.ts";
import { policyRootCodec, policyRuleCodec, policyRuleLayout, policyTableCodec } from "../../layout/index.ts";
import type { WorkerMemory } from "../worker_memory.ts";
import type { PolicyImage } from "./types.ts";

/** How long a worker may take: it may only just be starting, on a busy machine. */
const ACK_TIMEOUT_MS = 5000;

/** Which of the two places of each kind is in force. */
interface InForce {
  readonly root: 0 | 1;
  readonly table: 0 | 1;
  readonly sets: 0 | 1;
}

const other = (place: 0 | 1): 0 | 1 => (place === 0 ? 1 : 0);

export class PolicySlots {
  readonly #memory: WorkerMemory;
  readonly #wake: () => void;
  readonly #isRunning: () => boolean;
  #current: InForce | undefined;
  /** What the places in force were written from. */
  #image: PolicyImage | undefined;
  /** Table whose counters are not in `#past` yet, because the worker may still be counting there. */
  #retiring: 0 | 1 | undefined;
  /** Hits counted in tables that are gone, by rule id. */
  readonly #past = new Map<number, number>();

  /** @param isRunning false: the worker has no thread yet, and reads no table */
  constructor(memory: WorkerMemory, wake: () => void, isRunning: () => boolean) {
    this.#memory = memory;
    this.#wake = wake;
    this.#isRunning = isRunning;
  }

  /**
   * Puts a policy in force, all of it at once. The worker takes it at its next burst. A table or sets that are in
   * force already stay where they are.
   * @throws WeirError `ENOSPC` if it is larger than the memory was laid out for; then nothing was changed
   */
  publish(image: PolicyImage): void {
    const { policies, sizes } = this.#memory.layout;
    checkRoom("policies", image.table.byteLength, sizes.policyBytes);
    checkRoom("address sets", image.addressSets.byteLength, sizes.addressSetBytes);
    // Only what the worker has given up may be written over.
    if (this.#current !== undefined) this.#awaitAcknowledged();
    const before = this.#current;
    const next: InForce = {
      root: before === undefined ? 0 : other(before.root),
      table: before === undefined ? 0 : image.table === this.#image?.table ? before.table : other(before.table),
      sets:
        before === undefined ? 0 : image.addressSets === this.#image?.addressSets ? before.sets : other(before.sets),
    };
    const { bytes, view, words } = this.#memory;
    if (next.table !== before?.table) bytes.set(image.table, policies.tables[next.table]);
    if (next.sets !== before?.sets) bytes.set(image.addressSets, policies.addressSets[next.sets]);
    const root = policies.roots[next.root];
    policyRootCodec.revision.set(view, root, image.revision);
    policyRootCodec.table.set(view, root, policies.tables[next.table]);
    policyRootCodec.sets.set(view, root, policies.addressSets[next.sets]);
    Atomics.store(words, this.#memory.control("policy") >> 2, root);
    if (before !== undefined && before.table !== next.table) this.#retiring = before.table;
    this.#current = next;
    this.#image = image;
    this.#wake();
  }

  /** True once the worker uses what is in force and nothing else. */
  get #acknowledged(): boolean {
    if (!this.#isRunning()) return true;
    const { words } = this.#memory;
    const policy = Atomics.load(words, this.#memory.control("policy") >> 2);
    return Atomics.load(words, this.#memory.control("policyAck") >> 2) === policy;
  }

  #awaitAcknowledged(): void {
    const index = this.#memory.control("policyAck") >> 2;
    const deadline = performance.now() + ACK_TIMEOUT_MS;
    if (!this.#acknowledged) this.#wake();
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
    if (this.#retiring === undefined || !this.#acknowledged) return;
    this.#count(this.#retiring, this.#past);
    this.#retiring = undefined;
  }

  #count(place: 0 | 1, hits: Map<number, number>): void {
    const { view, layout } = this.#memory;
    const table = layout.policies.tables[place];
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
    for (const place of [this.#current?.table, this.#retiring]) if (place !== undefined) this.#count(place, hits);
  }
}

function checkRoom(what: string, bytes: number, room: number): void {
  if (bytes <= room) return;
  throw new WeirError({
    code: "ENOSPC",
    operation: "put a policy in force",
    reason: `table "${what}" is compiled to ${bytes} bytes, and there is room for ${room}`,
    hint: "use fewer rules, or prefixes in place of single addresses",
  });
}
