// SPDX-License-Identifier: Apache-2.0
/** The ring buffer reader against records that a kernel program produces. */

import { afterAll, beforeEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { runtime } from "#runtime";
import { CollectionSpec, RingBuffer, syscallRunner } from "../../sdk/libbpf/index.ts";
import { libc, POLLIN } from "../../sdk/runtime/libc.ts";
import { compileObject } from "./compile.ts";

const collection = CollectionSpec.fromBytes(compileObject("ring"), { name: "ring" }).load();
afterAll(() => collection[Symbol.dispose]());

const request = runtime.alloc(16);
const run = syscallRunner(collection.program("put").fd, request);
const lostCount = collection.variable("lost").view;

/** True if the record found room. */
function put(value: number, bytes: 8 | 256, discard = false): boolean {
  request.view.setUint32(0, value, true);
  request.view.setUint32(4, bytes, true);
  request.view.setUint32(8, discard ? 1 : 0, true);
  return run() === 0;
}

function open(): RingBuffer {
  return new RingBuffer(collection.map("ring"), { lost: () => Number(lostCount.getBigUint64(0, true)) });
}

function readable(ring: RingBuffer): boolean {
  const poll = runtime.alloc(8);
  poll.view.setInt32(0, ring.fd, true);
  poll.view.setInt16(4, POLLIN, true);
  return libc.poll(poll.address, 1, 0) === 1;
}

/** First and last byte and length of each record. */
function read(ring: RingBuffer, limit?: number): string[] {
  const seen: string[] = [];
  ring.consume((at, length) => {
    seen.push(`${ring.bytes[at]} ${ring.bytes[at + length - 1]} ${length}`);
  }, limit);
  return seen;
}

beforeEach(() => {
  using ring = open();
  ring.skip();
});

test("records arrive in order, whole, and only while there are some the descriptor is readable", () => {
  using ring = open();
  expect(ring.capacity).toBe(4096);
  expect(readable(ring)).toBe(false);
  put(1, 8);
  put(2, 256, true);
  put(3, 256);
  expect(readable(ring)).toBe(true);
  expect(read(ring)).toEqual(["1 1 8", "3 3 256"]);
  expect(ring.used).toBe(0);
  expect(readable(ring)).toBe(false);
});

test("records wrap around the end of the ring without being cut", () => {
  using ring = open();
  for (let i = 0; i < 200; i++) {
    expect(put(i, 256)).toBe(true);
    expect(put(255 - i, 8)).toBe(true);
    expect(read(ring)).toEqual([`${i} ${i} 256`, `${255 - i} ${255 - i} 8`]);
  }
});

test("a full ring refuses records, says how many, and takes them again when some were read", () => {
  using ring = open();
  let taken = 0;
  while (put(taken, 8)) taken++;
  put(0, 8);
  // One byte stays free, and each record has a header.
  expect(taken).toBe(4096 / 16 - 1);
  expect(ring.takeLost()).toBe(2);
  expect(ring.takeLost()).toBe(0);
  expect(read(ring, 3)).toEqual(["0 0 8", "1 1 8", "2 2 8"]);
  expect(put(9, 8)).toBe(true);
  expect(read(ring)).toHaveLength(taken - 3 + 1);
});

test("skipping gives all room back, and a record that came meanwhile is the next one", () => {
  using ring = open();
  for (let i = 0; i < 10; i++) put(i, 8);
  expect(ring.skip()).toBe(10);
  put(77, 8);
  expect(read(ring)).toEqual(["77 77 8"]);
});

test("a hundred thousand records survive compiled loads of the read-only pages", () => {
  using ring = open();
  let sum = 0;
  for (let round = 0; round < 1000; round++) {
    for (let i = 0; i < 100; i++) put(i, 8);
    ring.consume((at) => {
      sum += ring.view.getUint8(at);
    });
  }
  expect(sum).toBe(1000 * 4950);
});

test("disposing unmaps the pages and leaves the map to its owner", () => {
  const mapped = () =>
    readFileSync("/proc/self/maps", "utf8")
      .split("\n")
      .filter((line) => line.includes("bpf-map")).length;
  const before = mapped();
  {
    using _ring = open();
    expect(mapped()).toBe(before + 2);
  }
  expect(mapped()).toBe(before);
  expect(put(1, 8)).toBe(true);
});
