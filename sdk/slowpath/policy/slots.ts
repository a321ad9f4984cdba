// SPDX-License-Identifier: Apache-2.0
/** The places for compiled policies in a worker's memory, and what their rules have counted. */

import { WeirError } from "../../errors.ts";
import { policyRootCodec, policyRuleCodec, policyRuleLayout, policySetCodec } from "../../layout/index.ts";
import type { WorkerMemory } from "../worker_memory.ts";
import { Arena } from "./arena.ts";
import { bytesOf, type CompiledSet, type PolicyImage } from "./types.ts";

/** How long a worker may take: it may only just be starting, on a busy machine. */
const ACK_TIMEOUT_MS = 5000;

/** What is in force, and where. */
interface InForce {
  readonly image: PolicyImage;
  /** Which of the two places of each kind. */
  readonly root: 0 | 1;
  readonly addressSets: 0 | 1;
  readonly places: ReadonlyMap<CompiledSet, number>;
}

const other = (place: 0 | 1): 0 | 1 => (place === 0 ? 1 : 0);

export class PolicySlots {
  readonly #memory: WorkerMemory;
  readonly #wake: () => void;
  readonly #isRunning: () => boolean;
  readonly #arena: Arena;
  #current: InForce | undefined;
  /** Sets that were taken out of force, and their places: the worker may still be reading, and counting there. */
  #retiring = new Map<CompiledSet, number>();
  /** Hits counted in sets that are gone, by rule id. */
  readonly #past = new Map<number, number>();

  /** @param isRunning false: the worker has no thread yet, and reads nothing */
  constructor(memory: WorkerMemory, wake: () => void, isRunning: () => boolean) {
    this.#memory = memory;
    this.#wake = wake;
    this.#isRunning = isRunning;
    const { policies } = memory.layout;
    this.#arena = new Arena(policies.sets.at, policies.sets.bytes);
  }

  /**
   * Puts a policy in force, all of it at once. The worker takes it at its next burst. Sets that are in force already
   * stay where they are.
   * @throws WeirError `ENOSPC` if it is larger than the memory was laid out for; then nothing was changed
   */
  publish(image: PolicyImage): void {
    const { policies, sizes } = this.#memory.layout;
    const directory = policies.directories[0].entries;
    checkRoom("policies", bytesOf(image), sizes.policyBytes);
    checkRoom("address sets", image.addressSets.byteLength, sizes.addressSetBytes);
    checkRoom("lists of policies", (image.compiled.length + 1) * 4, directory * 4);
    // Only what the worker has given up may be written over.
    if (this.#current !== undefined) this.#awaitAcknowledged();
    const before = this.#current;
    const places = this.#place(image, before?.places);
    const sameMembers = before !== undefined && image.addressSets === before.image.addressSets;
    const addressSets = before === undefined ? 0 : sameMembers ? before.addressSets : other(before.addressSets);
    const root = before === undefined ? 0 : other(before.root);
    if (!sameMembers) this.#memory.bytes.set(image.addressSets, policies.addressSets[addressSets]);
    this.#writeRoot(image, places, root, policies.addressSets[addressSets]);
    for (const [set, at] of before?.places ?? []) if (!places.has(set)) this.#retiring.set(set, at);
    this.#current = { image, root, addressSets, places };
    this.#wake();
  }

  /** Finds places for the sets that have none, and writes them. */
  #place({ compiled }: PolicyImage, known: ReadonlyMap<CompiledSet, number> | undefined): Map<CompiledSet, number> {
    const places = new Map<CompiledSet, number>();
    const taken: [at: number, bytes: number][] = [];
    for (const set of compiled) {
      if (places.has(set)) continue;
      let at = known?.get(set);
      if (at === undefined) {
        at = this.#arena.take(set.byteLength);
        if (at === undefined) {
          for (const [place, bytes] of taken) this.#arena.give(place, bytes);
          throw tooLarge("policies", set.byteLength, "less than that in one piece");
        }
        taken.push([at, set.byteLength]);
        this.#memory.bytes.set(set, at);
      }
      places.set(set, at);
    }
    return places;
  }

  #writeRoot(image: PolicyImage, places: ReadonlyMap<CompiledSet, number>, which: 0 | 1, addressSets: number): void {
    const { view, words, layout } = this.#memory;
    const root = layout.policies.roots[which];
    const directory = layout.policies.directories[which].at;
    // Set 0 is never used.
    for (const [i, set] of image.compiled.entries()) {
      view.setUint32(directory + (i + 1) * 4, places.get(set) ?? 0, true);
    }
    policyRootCodec.revision.set(view, root, image.revision);
    policyRootCodec.setCount.set(view, root, image.compiled.length + 1);
    policyRootCodec.sets.set(view, root, directory);
    policyRootCodec.addressSets.set(view, root, addressSets);
    Atomics.store(words, this.#memory.control("policy") >> 2, root);
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

  /** Keeps what the sets that were replaced have counted, and gives their places back. */
  #collect(): void {
    if (this.#retiring.size === 0 || !this.#acknowledged) return;
    for (const [set, at] of this.#retiring) {
      this.#count(at, this.#past);
      this.#arena.give(at, set.byteLength);
    }
    this.#retiring.clear();
  }

  #count(set: number, hits: Map<number, number>): void {
    const { view } = this.#memory;
    const count = policySetCodec.ruleCount.get(view, set);
    const first = set + policySetCodec.ruleOffset.get(view, set);
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
    for (const at of this.#current?.places.values() ?? []) this.#count(at, hits);
    for (const at of this.#retiring.values()) this.#count(at, hits);
  }
}

function checkRoom(what: string, bytes: number, room: number): void {
  if (bytes > room) throw tooLarge(what, bytes, String(room));
}

function tooLarge(what: string, bytes: number, room: string): WeirError {
  return new WeirError({
    code: "ENOSPC",
    operation: "put a policy in force",
    reason: `table "${what}" is compiled to ${bytes} bytes, and there is room for ${room}`,
    hint: "use fewer rules, or prefixes in place of single addresses",
  });
}
