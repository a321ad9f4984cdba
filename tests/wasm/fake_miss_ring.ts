// SPDX-License-Identifier: Apache-2.0
/** The kernel programs' side of the ring of first packets (bpf/miss_ring.h). */

import {
  MISS_WITHDRAWN,
  missRecordCodec,
  missRecordLayout,
  missRingCodec,
  missRingLayout,
  trapMetaLayout,
  WEIR_MISSES_PER_WORKER,
} from "../../sdk/layout/index.ts";
import type { MemoryLayout } from "../../sdk/slowpath/memory_layout.ts";
import type { WorkerMemory } from "../../sdk/slowpath/worker_memory.ts";
import { type Meta, writeTrapMeta } from "./trap_meta.ts";

export class FakeMissRing {
  readonly #ring: number;
  readonly #worker: WorkerMemory;

  constructor(layout: MemoryLayout, worker: WorkerMemory) {
    this.#ring = layout.missRings;
    this.#worker = worker;
  }

  get isAwake(): boolean {
    return missRingCodec.awake.get(this.#worker.view, this.#ring) !== 0;
  }

  /** Puts a packet there. False: its way is the trap link's. */
  put(packet: Uint8Array, meta: Meta = {}): boolean {
    const record = this.begin(packet, meta);
    if (record === undefined) return false;
    this.complete(record);
    return true;
  }

  /** Claims a record and writes it; it is no packet before `complete`. */
  begin(packet: Uint8Array, meta: Meta = {}): number | undefined {
    const { view, bytes } = this.#worker;
    const producer = missRingCodec.producer.get(view, this.#ring);
    const consumer = missRingCodec.consumer.get(view, this.#ring);
    if (!this.isAwake || (producer - consumer) >>> 0 >= WEIR_MISSES_PER_WORKER) return undefined;
    missRingCodec.producer.set(view, this.#ring, (producer + 1) >>> 0);
    const record = this.#record(producer);
    missRecordCodec.length.set(view, record, packet.byteLength);
    const at = record + missRecordCodec.meta.offset + trapMetaLayout.size;
    writeTrapMeta(this.#worker, at, meta);
    bytes.set(packet, at);
    return producer;
  }

  complete(number: number): void {
    missRecordCodec.sequence.set(this.#worker.view, this.#record(number), (number + 1) >>> 0);
  }

  withdraw(number: number): void {
    missRecordCodec.sequence.set(this.#worker.view, this.#record(number), ((number + 1) ^ MISS_WITHDRAWN) >>> 0);
  }

  /** As if so many packets had come before. */
  count(packets: number): void {
    missRingCodec.producer.set(this.#worker.view, this.#ring, packets);
    missRingCodec.consumer.set(this.#worker.view, this.#ring, packets);
  }

  #record(number: number): number {
    return this.#ring + missRingLayout.size + (number % WEIR_MISSES_PER_WORKER) * missRecordLayout.size;
  }
}
