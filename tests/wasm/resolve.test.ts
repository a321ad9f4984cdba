// SPDX-License-Identifier: Apache-2.0
/** Packets whose neighbour is not known: it is asked for, and they wait. */

import { beforeEach, describe, expect, test } from "bun:test";
import { NEXTHOP_FLAG_RESOLVE } from "../../sdk/layout/index.ts";
import { FakeWorker } from "./harness.ts";
import { address, MAC_GATEWAY, mac, packet, pseudoHeader, referenceChecksum, udp } from "./packets.ts";

const frame = (data: number) =>
  packet({ source: "10.97.0.1", destination: "10.97.0.2", protocol: 17, payload: udp(1, 2, [data]) });
const MAC_B = "02:00:00:00:01:02";
const META = { reason: "resolve", nexthop: 5, flags: 0 } as const;
const RECEIVED = 1;
const TRANSMIT = 2;

let worker: FakeWorker;

beforeEach(() => {
  worker = new FakeWorker();
  worker.setNexthop(5, { flags: NEXTHOP_FLAG_RESOLVE });
});

describe("an unknown neighbour", () => {
  test("is asked for by ARP out of its own interface", () => {
    worker.receive(frame(1), META);
    worker.poll();
    const [request] = worker.sent();
    expect(request).toMatchObject({ action: TRANSMIT, interface: 2 });
    expect([...(request?.packet ?? [])]).toEqual([
      ...[255, 255, 255, 255, 255, 255],
      ...mac(MAC_GATEWAY),
      ...[8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
      ...mac(MAC_GATEWAY),
      ...address("169.254.1.1"),
      ...[0, 0, 0, 0, 0, 0],
      ...address("10.97.0.2"),
    ]);
  });

  test("is asked for by a neighbour solicitation over IPv6", () => {
    const six = packet({ source: "fd00::1", destination: "fd00::12:3456", protocol: 17, payload: udp(1, 2) });
    worker.receive(six, META);
    worker.poll();
    const solicitation = worker.sent()[0]?.packet ?? new Uint8Array();
    expect([...solicitation.slice(0, 14)]).toEqual([
      0x33,
      0x33,
      0xff,
      0x12,
      0x34,
      0x56,
      ...mac(MAC_GATEWAY),
      0x86,
      0xdd,
    ]);
    const ip = solicitation.slice(14);
    expect([...ip.slice(0, 8)]).toEqual([0x60, 0, 0, 0, 0, 32, 58, 255]);
    expect([...ip.slice(8, 24)]).toEqual(address("fe80::1"));
    expect([...ip.slice(24, 40)]).toEqual(address("ff02::1:ff12:3456"));
    const body = ip.slice(40);
    expect([body[0], body[1]]).toEqual([135, 0]);
    expect([...body.slice(8, 24)]).toEqual(address("fd00::12:3456"));
    expect([...body.slice(24)]).toEqual([1, 1, ...mac(MAC_GATEWAY)]);
    const pseudo = pseudoHeader("fe80::1", "ff02::1:ff12:3456", 58, 32);
    expect(referenceChecksum(Uint8Array.from([...pseudo, ...body]))).toBe(0);
  });

  test("that answers lets the packets go on, in order", () => {
    worker.receive(frame(1), META);
    worker.receive(frame(2), META);
    worker.poll();
    expect(worker.sent()).toHaveLength(1);
    expect(worker.nextDeadlineMs).toBe(1);
    worker.advance(1);
    worker.poll();
    expect(worker.sent()).toEqual([]);
    worker.setNexthop(5, {});
    worker.advance(2);
    worker.poll();
    expect(worker.sent()).toMatchObject([
      { action: RECEIVED, interface: 1, packet: frame(1) },
      { action: RECEIVED, interface: 1, packet: frame(2) },
    ]);
    expect(worker.nextDeadlineMs).toBe(Number.POSITIVE_INFINITY);
    worker.poll();
    expect(worker.framesOut).toBe(0);
  });

  test("that is known meanwhile is not asked for", () => {
    worker.setNexthop(5, {});
    worker.receive(frame(1), META);
    worker.poll();
    expect(worker.sent()).toMatchObject([{ action: RECEIVED }]);
  });

  test("that never answers is asked some times, and its packets are dropped after a second", () => {
    for (let i = 0; i < 5; i++) worker.receive(frame(i), META);
    worker.poll();
    expect(worker.drops(1, "hold-limit")).toBe(2);
    let looks = 0;
    while (worker.nextDeadlineMs !== Number.POSITIVE_INFINITY) {
      worker.advance(Math.ceil(worker.nextDeadlineMs));
      worker.poll();
      worker.sent();
      looks++;
    }
    expect(looks).toBeLessThan(40);
    expect(worker.counter("solicited")).toBeGreaterThanOrEqual(3);
    expect(worker.counter("solicited")).toBeLessThanOrEqual(6);
    expect(worker.drops(1, "no-neighbour")).toBe(3);
    expect(worker.now - 1_000_000_000n).toBe(1_000_000_000n);
    worker.poll();
    expect(worker.framesOut).toBe(0);
  });
});

test("its answer ends the waiting at once, and is no drop", () => {
  const reply = Uint8Array.from([
    ...mac(MAC_GATEWAY),
    ...mac(MAC_B),
    ...[8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
    ...mac(MAC_B),
    ...address("10.97.0.2"),
    ...mac(MAC_GATEWAY),
    ...address("169.254.1.1"),
  ]);
  const advertisement = packet({
    source: "fd00::2",
    destination: "fe80::1",
    protocol: 58,
    payload: [136, 0, 0, 0, 0x60, 0, 0, 0, ...address("fd00::2")],
  });
  for (const [answer, reason] of [
    [reply, "arp"],
    [advertisement, "neighbour-discovery"],
  ] as const) {
    worker.setNexthop(5, { flags: NEXTHOP_FLAG_RESOLVE });
    worker.setInterfaceNexthop(2, 5);
    worker.receive(frame(1), META);
    worker.poll();
    expect(worker.sent()).toHaveLength(1);
    worker.setNexthop(5, {});
    worker.receive(answer, { reason, interface: 2, nexthop: 0 });
    worker.poll();
    expect(worker.sent()).toMatchObject([{ action: RECEIVED, packet: frame(1) }]);
    worker.poll();
    expect(worker.drops(2, "unhandled-trap")).toBe(0);
    expect(worker.framesOut).toBe(0);
  }
});

test("a question that nobody answers is an unhandled trap", () => {
  const question = Uint8Array.from([
    ...[255, 255, 255, 255, 255, 255],
    ...mac(MAC_B),
    ...[8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
    ...mac(MAC_B),
    ...address("10.97.0.2"),
    ...[0, 0, 0, 0, 0, 0],
    ...address("10.97.0.77"),
  ]);
  worker.receive(question, { reason: "arp", interface: 2 });
  worker.poll();
  expect(worker.drops(2, "unhandled-trap")).toBe(1);
});

test("packets of several neighbours wait apart", () => {
  worker.setNexthop(6, { flags: NEXTHOP_FLAG_RESOLVE });
  worker.receive(frame(1), META);
  worker.receive(frame(2), { ...META, nexthop: 6 });
  worker.poll();
  expect(worker.sent()).toHaveLength(2);
  worker.setNexthop(6, {});
  worker.advance(1);
  worker.poll();
  expect(worker.sent().map(({ packet }) => packet)).toEqual([frame(2)]);
  worker.setNexthop(5, {});
  worker.advance(2);
  worker.poll();
  expect(worker.sent().map(({ packet }) => packet)).toEqual([frame(1)]);
});
