// SPDX-License-Identifier: Apache-2.0
/**
 * Reading BPF_MAP_TYPE_RINGBUF in place (Documentation/bpf/ringbuf.rst). The kernel programs produce, this is the one
 * consumer: positions are free-running byte counts, and each record stands behind a header of 8 bytes whose first
 * word is its length with two flags. The data is mapped twice in a row, so that no record ever wraps.
 */

import { runtime } from "#runtime";
import { WeirError } from "../errors.ts";
import { MAP_SHARED, mmap, munmap, PROT_READ, PROT_WRITE, pageSize } from "../runtime/libc.ts";
import type { Address } from "../runtime/types.ts";
import type { BpfMap } from "./map.ts";

/** Flags in the length (linux/bpf.h): reserved but not submitted yet, and to be passed over. */
const BPF_RINGBUF_BUSY_BIT = 0x8000_0000;
const BPF_RINGBUF_DISCARD_BIT = 0x4000_0000;
const BPF_RINGBUF_HDR_SZ = 8;
const LENGTH_MASK = 0x3fff_ffff;

/**
 * Gets a record: `length` bytes at offset `at` of {@link RingBuffer.view} and {@link RingBuffer.bytes}. They are the
 * kernel's own memory, valid until it returns; `slice()` keeps them.
 */
export type RecordHandler = (at: number, length: number) => void;

/** Options of {@link RingBuffer}. */
export interface RingBufferOptions {
  /**
   * Records that found no room, as the producing program counts them: the kernel itself does not. The count only
   * rises; {@link RingBuffer.takeLost} tells by how much.
   */
  readonly lost?: () => number;
}

/**
 * The consumer of a ring buffer map. There must be one at a time. Disposing unmaps it; the map stays the caller's, and
 * a later consumer goes on behind the last record that was consumed.
 *
 * ```ts
 * using ring = new RingBuffer(collection.map("events"), { lost: () => lostRecords() });
 * ring.consume((at, length) => console.log(ring.bytes.slice(at, at + length)));
 * ```
 *
 * The map's descriptor is readable (poll(2)) while there are records. With the programs' default flags it becomes so
 * for a record only if all before it were consumed: consume until nothing is left, as {@link consume} does.
 */
export class RingBuffer implements Disposable {
  /** Descriptor of the map, to be polled. */
  readonly fd: number;
  /** Bytes of the ring. */
  readonly capacity: number;
  /** The ring's memory, read-only (a store is a segmentation fault): where a {@link RecordHandler}'s record is. */
  readonly view: DataView;
  readonly bytes: Uint8Array;

  // Plain loads only on what is mapped read-only: JavaScriptCore makes an atomic load a locked read-modify-write, which
  // faults there. What orders them is `#fence`.
  readonly #producer: Int32Array;
  readonly #headers: Uint32Array;
  readonly #consumer: BigInt64Array;
  readonly #fence = new Int32Array(1);
  readonly #consumerPage: Address;
  readonly #producerPages: Address;
  readonly #lost: () => number;
  #lostBefore: number;
  /** Low 32 bits of the position, signed: all that finding a record takes. */
  #position: number;
  /** What the kernel was told. */
  #published: bigint;
  #mapped = true;

  /** @throws WeirError `EINVAL` for another type of map; `EPERM` without CAP_BPF */
  constructor(map: Pick<BpfMap, "fd" | "name" | "type" | "maxEntries">, o: RingBufferOptions = {}) {
    if (map.type !== "ringbuf") {
      const reason = `it is a map of type ${map.type}, not ringbuf`;
      throw new WeirError({ code: "EINVAL", operation: `read map "${map.name}" as a ring buffer`, reason });
    }
    this.fd = map.fd;
    this.capacity = map.maxEntries;
    this.#consumerPage = mmap(pageSize, PROT_READ | PROT_WRITE, MAP_SHARED, map.fd, 0);
    try {
      this.#producerPages = mmap(this.#producerBytes, PROT_READ, MAP_SHARED, map.fd, pageSize);
    } catch (error) {
      munmap(this.#consumerPage, pageSize);
      throw error;
    }
    const producer = runtime.view(this.#producerPages, this.#producerBytes);
    this.#producer = new Int32Array(producer, 0, 1);
    this.#headers = new Uint32Array(producer, pageSize);
    this.view = new DataView(producer, pageSize);
    this.bytes = new Uint8Array(producer, pageSize);
    this.#consumer = new BigInt64Array(runtime.view(this.#consumerPage, pageSize), 0, 1);
    this.#published = Atomics.load(this.#consumer, 0);
    this.#position = Number(BigInt.asIntN(32, this.#published));
    this.#lost = o.lost ?? (() => 0);
    this.#lostBefore = this.#lost();
  }

  get #producerBytes(): number {
    return pageSize + 2 * this.capacity;
  }

  /** Bytes that are in use, headers, padding and what is not submitted yet included. */
  get used(): number {
    return ((this.#producer[0] as number) - this.#position) >>> 0;
  }

  /**
   * Hands out the records that were submitted, oldest first, and gives their room back. Records behind one that is
   * still being written wait for it. A record whose handler throws counts as handed out.
   * @param limit of records; by default all, also those that come meanwhile
   * @returns records handed out
   */
  consume(handle: RecordHandler, limit: number = Number.POSITIVE_INFINITY): number {
    let handled = 0;
    while (handled < limit) {
      const end = this.#submittedEnd();
      if (end === this.#position) break;
      try {
        while (this.#position !== end && handled < limit) {
          const at = this.#offset(this.#position);
          const header = this.#header(this.#position);
          this.#position = (this.#position + stride(header)) | 0;
          if ((header & BPF_RINGBUF_DISCARD_BIT) !== 0) continue;
          handled++;
          handle(at + BPF_RINGBUF_HDR_SZ, header & LENGTH_MASK);
        }
      } finally {
        // Then the producer is looked at again: what was submitted before the kernel knew of this has woken nobody.
        this.#publish();
      }
    }
    return handled;
  }

  /** Gives the room of all submitted records back, unread. @returns how many there were */
  skip(): number {
    return this.consume(() => {});
  }

  /** Records that found no room since the last call, or since this consumer was made. */
  takeLost(): number {
    const lost = this.#lost();
    const since = lost - this.#lostBefore;
    this.#lostBefore = lost;
    return since;
  }

  [Symbol.dispose](): void {
    if (!this.#mapped) return;
    this.#mapped = false;
    munmap(this.#producerPages, this.#producerBytes);
    munmap(this.#consumerPage, pageSize);
  }

  #offset(position: number): number {
    return position & (this.capacity - 1);
  }

  #header(position: number): number {
    return this.#headers[this.#offset(position) >>> 2] as number;
  }

  /** Position behind the last record that may be read, as the headers say. */
  #submittedEnd(): number {
    let left = this.used;
    this.#loadsBeforeAreDone();
    let position = this.#position;
    while (left > 0) {
      const header = this.#header(position);
      if ((header & BPF_RINGBUF_BUSY_BIT) !== 0) break;
      position = (position + stride(header)) | 0;
      left -= stride(header);
    }
    this.#loadsBeforeAreDone();
    return position;
  }

  #publish(): void {
    const told = Number(BigInt.asIntN(32, this.#published));
    this.#published += BigInt((this.#position - told) >>> 0);
    Atomics.store(this.#consumer, 0, this.#published);
  }

  /** Keeps later loads behind earlier ones, on processors that may swap them (arm64). */
  #loadsBeforeAreDone(): void {
    Atomics.add(this.#fence, 0, 0);
  }
}

/** Bytes from one header to the next. */
function stride(header: number): number {
  return ((header & LENGTH_MASK) + BPF_RINGBUF_HDR_SZ + 7) & ~7;
}
