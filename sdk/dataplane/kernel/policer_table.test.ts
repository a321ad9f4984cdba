// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { policerCodec, policerLayout } from "../../layout/index.ts";
import { Undo } from "../state/undo.ts";
import { PolicerTable, policerTimes } from "./policer_table.ts";

const LENGTH = 16;
const GIGABIT = { bitsPerSecond: 1_000_000_000, burstBytes: 250_000 };

class Bench {
  readonly memory = new ArrayBuffer(LENGTH * policerLayout.size);
  readonly view = new DataView(this.memory);
  readonly table = new PolicerTable(this.memory, LENGTH);

  read(index: number): Record<"cost" | "burst" | "time" | "droppedPackets", bigint> {
    const base = index * policerLayout.size;
    const get = (name: "cost" | "burst" | "time" | "droppedPackets") => policerCodec[name].get(this.view, base);
    return { cost: get("cost"), burst: get("burst"), time: get("time"), droppedPackets: get("droppedPackets") };
  }

  /** As the kernel program does. */
  use(index: number): void {
    policerCodec.time.set(this.view, index * policerLayout.size, 99);
    policerCodec.droppedPackets.set(this.view, index * policerLayout.size, 7);
    policerCodec.droppedBytes.set(this.view, index * policerLayout.size, 700);
  }
}

describe("rates in the kernel's units", () => {
  const costNs = (bitsPerSecond: number) => Number(policerTimes({ bitsPerSecond, burstBytes: 1 }).cost) / 2 ** 20;

  test.each([1000, 64_000, 1e6, 999_999_937, 1e9, 40e9, 400e9])("%d bit/s to a ten-thousandth", (rate) => {
    expect(costNs(rate) / (8e9 / rate)).toBeCloseTo(1, 4);
  });

  test("never overflow: the slowest rate with the longest packet and the largest burst", () => {
    const { cost, burst } = policerTimes({ bitsPerSecond: 1000, burstBytes: 1 << 30 });
    expect(cost * (1n << 20n)).toBeLessThan(1n << 64n);
    expect(burst).toBeLessThan(1n << 62n);
  });

  test("the burst is the time that it takes at the rate", () => {
    expect(policerTimes(GIGABIT).burst).toBe(2_000_000n * 256n);
  });
});

describe("a policer", () => {
  test("is at its interface and direction", () => {
    const bench = new Bench();
    bench.table.set(3, "received", GIGABIT, new Undo());
    bench.table.set(3, "sent", { ...GIGABIT, bitsPerSecond: 1000 }, new Undo());
    expect(bench.read(6).cost).toBe(8n << 20n);
    expect(bench.read(7).cost).toBe(8_000_000n << 20n);
    expect([5, 8].map((index) => bench.read(index).cost)).toEqual([0n, 0n]);
  });

  test("keeps what is in the bucket when its rate changes, and starts full when it is new", () => {
    const bench = new Bench();
    bench.use(2);
    bench.table.set(1, "received", GIGABIT, new Undo());
    expect(bench.read(2)).toMatchObject({ time: 0n, droppedPackets: 0n });
    bench.use(2);
    bench.table.set(1, "received", { ...GIGABIT, bitsPerSecond: 500 }, new Undo());
    expect(bench.read(2)).toMatchObject({ time: 99n, droppedPackets: 7n });
    expect(bench.table.drops(1, "received")).toEqual({ droppedPackets: 7, droppedBytes: 700 });
  });

  test("is undone to its old rate, and cleared in both directions", () => {
    const bench = new Bench();
    bench.table.set(1, "sent", GIGABIT, new Undo());
    const undo = new Undo();
    bench.table.set(1, "sent", undefined, undo);
    expect(bench.read(3).cost).toBe(0n);
    undo.run();
    expect(bench.read(3).cost).toBe(8n << 20n);
    bench.table.clear(1, new Undo());
    expect([2, 3].map((index) => bench.read(index).cost)).toEqual([0n, 0n]);
  });
});
