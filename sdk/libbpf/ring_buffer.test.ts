// SPDX-License-Identifier: Apache-2.0
/** The ring's memory as the kernel lays it out, in a file: states that a real producer passes through too fast. */
import { afterAll, expect, test } from "bun:test";
import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pageSize } from "../runtime/libc.ts";
import { RingBuffer, type RingBufferOptions } from "./ring_buffer.ts";

const BUSY = 0x8000_0000;
const DISCARD = 0x4000_0000;
const CAPACITY = pageSize;

const directory = mkdtempSync(join(tmpdir(), "weir-ring-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** A producer in the place of the kernel. */
class Producer implements Disposable {
  readonly fd = openSync(join(directory, `${Math.random()}`), "w+");
  position: bigint;

  constructor(position = 0n) {
    this.position = position;
    ftruncateSync(this.fd, 2 * pageSize + 2 * CAPACITY);
    this.#write64(0, position);
    this.#write64(pageSize, position);
  }

  reader(o?: RingBufferOptions): RingBuffer {
    return new RingBuffer({ fd: this.fd, name: "ring", type: "ringbuf", maxEntries: CAPACITY }, o);
  }

  /** Writes a record; returns where, for `submit`. */
  put(value: number, length: number, flags = 0): number {
    const at = Number(this.position % BigInt(CAPACITY));
    this.#writeHeader(at, length | flags);
    this.#writeData(at + 8, Buffer.alloc(length, value));
    this.position += BigInt((length + 8 + 7) & ~7);
    this.#write64(pageSize, this.position);
    return at;
  }

  submit(at: number, length: number): void {
    this.#writeHeader(at, length);
  }

  get consumed(): bigint {
    const bytes = Buffer.alloc(8);
    readSync(this.fd, bytes, 0, 8, 0);
    return bytes.readBigUInt64LE();
  }

  #writeHeader(at: number, word: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32LE(word >>> 0);
    this.#writeData(at, bytes);
  }

  /** The kernel maps one memory twice: what is written is written to both images, around their end. */
  #writeData(at: number, bytes: Uint8Array): void {
    const whole = at % CAPACITY;
    const before = Math.min(bytes.length, CAPACITY - whole);
    for (const image of [2 * pageSize, 2 * pageSize + CAPACITY]) {
      writeSync(this.fd, bytes, 0, before, image + whole);
      if (before < bytes.length) writeSync(this.fd, bytes, before, bytes.length - before, image);
    }
  }

  #write64(at: number, value: bigint): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    writeSync(this.fd, bytes, 0, 8, at);
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

function values(ring: RingBuffer, limit?: number): string[] {
  const seen: string[] = [];
  ring.consume((at, length) => seen.push(`${ring.view.getUint8(at + length - 1)}x${length}`), limit);
  return seen;
}

test("records behind one that is still being written wait for it", () => {
  using producer = new Producer();
  using ring = producer.reader();
  producer.put(1, 8);
  const second = producer.put(2, 12, BUSY);
  producer.put(3, 16);
  expect(values(ring)).toEqual(["1x8"]);
  expect(producer.consumed).toBe(16n);
  expect(values(ring)).toEqual([]);
  producer.submit(second, 12);
  expect(values(ring)).toEqual(["2x12", "3x16"]);
  expect(ring.used).toBe(0);
});

test("discarded records are passed over and count for no limit", () => {
  using producer = new Producer();
  using ring = producer.reader();
  producer.put(1, 8, DISCARD);
  producer.put(2, 8);
  producer.put(3, 8, DISCARD);
  producer.put(4, 8);
  expect(values(ring, 1)).toEqual(["2x8"]);
  expect(values(ring)).toEqual(["4x8"]);
  expect(producer.consumed).toBe(producer.position);
});

test("a record across the end of the ring is read as one, and positions pass 2^31 and 2^32", () => {
  for (const start of [0n, 2n ** 31n, 2n ** 32n, 2n ** 40n]) {
    using producer = new Producer(start - (start === 0n ? 0n : 64n));
    using ring = producer.reader();
    for (let i = 0; i < 200; i++) {
      producer.put(i, 20);
      expect(values(ring)).toEqual([`${i}x20`]);
      expect(producer.consumed).toBe(producer.position);
    }
  }
});

test("a record whose handler throws is not handed out again", () => {
  using producer = new Producer();
  using ring = producer.reader();
  producer.put(1, 8);
  producer.put(2, 8);
  expect(() =>
    ring.consume(() => {
      throw new Error("no");
    }),
  ).toThrow("no");
  expect(values(ring)).toEqual(["2x8"]);
});

test("a later consumer goes on where the one before it stopped", () => {
  using producer = new Producer();
  producer.put(1, 8);
  producer.put(2, 8);
  {
    using ring = producer.reader();
    expect(values(ring, 1)).toEqual(["1x8"]);
  }
  using ring = producer.reader();
  expect(values(ring)).toEqual(["2x8"]);
});

test("lost records are told once", () => {
  using producer = new Producer();
  let lost = 7;
  using ring = producer.reader({ lost: () => lost });
  expect(ring.takeLost()).toBe(0);
  lost = 10;
  expect(ring.takeLost()).toBe(3);
  expect(ring.takeLost()).toBe(0);
});

test("another type of map is refused by name", () => {
  expect(() => new RingBuffer({ fd: 0, name: "flows", type: "hash", maxEntries: 4096 })).toThrow(
    'Cannot read map "flows" as a ring buffer: it is a map of type hash, not ringbuf',
  );
});
