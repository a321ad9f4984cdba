// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { commandCodec, commandLayout, eventCodec, eventLayout, messageRingCodec } from "../layout/index.ts";
import { CommandRing, EventRing, initMessageRing } from "./message_ring.ts";

const CAPACITY = 4;

function memory() {
  const buffer = new SharedArrayBuffer(4096);
  return { view: new DataView(buffer), words: new Int32Array(buffer) };
}

describe("message rings", () => {
  test("commands are refused when the ring is full, and fit again when some are consumed", () => {
    const { view, words } = memory();
    initMessageRing(view, 0, "command", CAPACITY);
    const ring = new CommandRing(view, words, 0);
    for (let i = 0; i < CAPACITY; i++) {
      expect(ring.push((at) => commandCodec.ticket.set(view, at, i))).toBe(true);
      expect(commandCodec.ticket.get(view, 64 + i * commandLayout.size)).toBe(i);
    }
    expect(ring.room).toBe(0);
    expect(ring.push(() => {})).toBe(false);
    messageRingCodec.consumer.set(view, 0, 3);
    expect({ room: ring.room, consumed: ring.consumed, produced: ring.produced }).toEqual({
      room: 3,
      consumed: 3,
      produced: 4,
    });
  });

  test("counters go past 2^32", () => {
    const { view, words } = memory();
    initMessageRing(view, 0, "event", CAPACITY);
    messageRingCodec.producer.set(view, 0, 0xffff_fffe);
    messageRingCodec.consumer.set(view, 0, 0xffff_fffe);
    const ring = new EventRing(view, words, 0);
    for (let i = 0; i < 3; i++) {
      const index = (0xffff_fffe + i) & (CAPACITY - 1);
      eventCodec.ticket.set(view, 64 + index * eventLayout.size, i + 1);
    }
    messageRingCodec.producer.set(view, 0, 1);
    const tickets: number[] = [];
    expect(ring.drain((at) => tickets.push(eventCodec.ticket.get(view, at)))).toBe(3);
    expect(tickets).toEqual([1, 2, 3]);
    expect(messageRingCodec.consumer.get(view, 0)).toBe(1);
    expect(ring.drain(() => {})).toBe(0);
  });

  test("events are given back also when a reader throws", () => {
    const { view, words } = memory();
    initMessageRing(view, 0, "event", CAPACITY);
    messageRingCodec.producer.set(view, 0, 2);
    const ring = new EventRing(view, words, 0);
    expect(() =>
      ring.drain(() => {
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(messageRingCodec.consumer.get(view, 0)).toBe(2);
  });
});
