// SPDX-License-Identifier: Apache-2.0
/** Fragments that came before the first one of their datagram. */

import { beforeEach, describe, expect, test } from "bun:test";
import { TRAP_FLAG_PORTS } from "../../sdk/layout/index.ts";
import { compilePolicy } from "../../sdk/slowpath/index.ts";
import { FakeWorker } from "./harness.ts";
import { packet, udp } from "./packets.ts";
import type { Meta } from "./trap_meta.ts";

const RECEIVED = 1;
const V4 = { source: "10.97.0.1", destination: "10.97.5.2" };
const V6 = { source: "fd00:97::1", destination: "fd00:97::99" };

let worker: FakeWorker;

beforeEach(() => {
  worker = new FakeWorker({ holdLimit: 512 });
  worker.setPolicy(compilePolicy({ revision: 1, sets: [[{ name: "p", rules: [{ action: "allow" }] }]] }));
  worker.setInterface(2, 1);
});

/** IPv6 has the offset in the upper bits of the field. */
const piece = (offset: number, more: boolean, o: { source: string; destination: string }) => {
  const fragment = o.source.includes(":") ? (offset << 3) | Number(more) : offset | (more ? 0x2000 : 0);
  return packet({ ...o, protocol: 17, payload: udp(1, 2, [offset]), fragment });
};
const first = (o = V4) => piece(0, true, o);
const later = (offset: number, o = V4) => piece(offset, false, o);

function receive(frame: Uint8Array, meta: Meta = {}): void {
  worker.receive(frame, { reason: "fragment", flags: 0, ...meta });
  worker.poll();
}

function expectSent(...frames: readonly Uint8Array[]): void {
  expect(worker.sent().map(({ action, packet }) => ({ action, packet }))).toEqual(
    frames.map((packet) => ({ action: RECEIVED, packet })),
  );
}

describe("fragments that wait", () => {
  for (const [family, addresses] of [
    [4, V4],
    [6, V6],
  ] as const) {
    test(`of IPv${family} follow the first one in their order`, () => {
      for (const n of [4, 2, 8]) receive(later(n, addresses));
      expectSent();
      expect(worker.control("holdCount")).toBe(3);
      receive(first(addresses), { flags: TRAP_FLAG_PORTS });
      expectSent(first(addresses), ...[4, 2, 8].map((n) => later(n, addresses)));
      worker.poll();
      expect(worker.control("holdCount")).toBe(0);
      expect(worker.framesOut).toBe(0);
    });
  }

  test("follow the first packet of their flow, once that is decided", () => {
    for (const n of [4, 2]) receive(later(n));
    receive(first(), { reason: "flow-miss", flags: 2 });
    expectSent();
    worker.apply();
    expectSent(first(), later(4), later(2));
  });

  test("wait for their own datagram only", () => {
    receive(later(4));
    receive(first({ ...V4, source: "10.97.0.9" }), { flags: TRAP_FLAG_PORTS });
    receive(first(), { flags: TRAP_FLAG_PORTS, vrf: 8 });
    expectSent(first({ ...V4, source: "10.97.0.9" }), first());
    expect(worker.control("holdCount")).toBe(1);
  });

  test("do not wait when the first one has just passed, and take the others along", () => {
    receive(later(4));
    receive(later(2), { flags: TRAP_FLAG_PORTS });
    expectSent(later(2), later(4));
  });

  test("are tried once more when the first one has not come in time", () => {
    receive(later(4));
    receive(later(2));
    expect(worker.nextDeadlineMs).toBeGreaterThan(1999);
    expect(worker.nextDeadlineMs).toBeLessThan(2100);
    worker.advance(1999);
    worker.poll();
    expectSent();
    worker.advance(100);
    worker.poll();
    expectSent(later(4), later(2));
    worker.poll();
    expect(worker.counter("fragmentsHeld")).toBe(2);
    expect(worker.counter("fragmentsExpired")).toBe(2);
    expect(worker.framesOut).toBe(0);
    expect(worker.nextDeadlineMs).toBe(Number.POSITIVE_INFINITY);
  });

  test("are so many of a datagram, and in all, and the others are counted", () => {
    for (let i = 0; i < 70; i++) receive(later(1));
    expect(worker.control("holdCount")).toBe(64);
    expect(worker.drops(1, "fragment")).toBe(6);
    for (let i = 0; i < 100; i++) receive(later(1, { ...V4, source: `10.97.1.${i}` }));
    // A quarter of what may wait.
    expect(worker.control("holdCount")).toBe(128);
    expect(worker.drops(1, "fragment")).toBe(42);
    worker.advance(2100);
    worker.poll();
    for (let round = 0; round < 4; round++) {
      worker.sent();
      worker.poll();
    }
    expect(worker.control("holdCount")).toBe(0);
    expect(worker.framesOut).toBe(0);
  });
});

test("a later fragment of a flow that is being decided goes on when it is", () => {
  worker.receive(later(4), { reason: "flow-miss", flags: 0, generation: 7 });
  worker.poll();
  expect(worker.decisions()).toEqual([]);
  expectSent(later(4));
});

test("what is no fragment is a counted drop", () => {
  receive(packet({ ...V4, protocol: 17, payload: udp(1, 2) }));
  expect(worker.drops(1, "invalid-packet")).toBe(1);
  expect(worker.framesOut).toBe(0);
});
