// SPDX-License-Identifier: Apache-2.0
/** The main thread's ends of the rings of records (struct message_ring), one producer and one consumer each. */

import { commandLayout, eventLayout, messageRingCodec, messageRingLayout } from "../layout/index.ts";

const RECORD_BYTES = { command: commandLayout.size, event: eventLayout.size };

/** Writes the header of an empty ring. `capacity` must be a power of two. */
export function initMessageRing(view: DataView, at: number, kind: keyof typeof RECORD_BYTES, capacity: number): void {
  messageRingCodec.producer.set(view, at, 0);
  messageRingCodec.consumer.set(view, at, 0);
  messageRingCodec.capacity.set(view, at, capacity);
  messageRingCodec.recordSize.set(view, at, RECORD_BYTES[kind]);
}

/** Both ends count freely up to 2^32. */
class RingEnd {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #capacity: number;
  readonly #recordBytes: number;

  constructor(view: DataView, words: Int32Array, at: number) {
    this.#words = words;
    this.#at = at;
    this.#capacity = messageRingCodec.capacity.get(view, at);
    this.#recordBytes = messageRingCodec.recordSize.get(view, at);
  }

  protected load(end: "producer" | "consumer"): number {
    return Atomics.load(this.#words, (this.#at + messageRingCodec[end].offset) >> 2) >>> 0;
  }

  protected store(end: "producer" | "consumer", value: number): void {
    Atomics.store(this.#words, (this.#at + messageRingCodec[end].offset) >> 2, value | 0);
  }

  protected used(): number {
    return (this.load("producer") - this.load("consumer")) >>> 0;
  }

  protected free(): number {
    return this.#capacity - this.used();
  }

  protected record(index: number): number {
    return this.#at + messageRingLayout.size + (index & (this.#capacity - 1)) * this.#recordBytes;
  }
}

/** The end that writes commands. */
export class CommandRing extends RingEnd {
  /** Commands that the worker has taken, counted freely. */
  get consumed(): number {
    return this.load("consumer");
  }

  /** Commands written, counted freely. */
  get produced(): number {
    return this.load("producer");
  }

  /** Commands that can still be written. */
  get room(): number {
    return this.free();
  }

  /** Lets `write` fill the next record at the given address, then publishes it. False if the ring is full. */
  push(write: (at: number) => void): boolean {
    if (this.free() <= 0) return false;
    const index = this.load("producer");
    write(this.record(index));
    this.store("producer", index + 1);
    return true;
  }
}

/** The end that reads events. */
export class EventRing extends RingEnd {
  /**
   * Calls `read` with the address of each waiting record, `most` at most, then gives them back. Returns how many there
   * were.
   */
  drain(read: (at: number) => void, most = Number.POSITIVE_INFINITY): number {
    const count = Math.min(this.used(), most);
    const first = this.load("consumer");
    try {
      for (let i = 0; i < count; i++) read(this.record(first + i));
    } finally {
      this.store("consumer", first + count);
    }
    return count;
  }
}
