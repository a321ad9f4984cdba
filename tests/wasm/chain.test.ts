// SPDX-License-Identifier: Apache-2.0
/** Packets that are longer than a frame: chains of frames, taken, held, sent and given back as one. */

import { beforeEach, describe, expect, test } from "bun:test";
import {
  CommandKindValue,
  commandCodec,
  InjectActionValue,
  TrapReasonValue,
  WEIR_CHAIN_FRAMES,
} from "../../sdk/layout/index.ts";
import { compilePolicy } from "../../sdk/slowpath/index.ts";
import { FakeWorker, ROOM } from "./harness.ts";
import { packet, udp } from "./packets.ts";

const FLOW = { source: "10.97.0.1", destination: "10.97.0.2" };
const RECEIVED = 1;
const TRANSMIT = 2;

/** A UDP datagram in a frame of `length` bytes, none of which is like its neighbours. */
const jumbo = (length: number, port = 1000) => {
  const data = Array.from({ length: length - 42 }, (_, i) => (i * 7 + (i >> 8)) & 255);
  return packet({ ...FLOW, protocol: 17, payload: udp(port, 53, data) });
};

let worker: FakeWorker;

beforeEach(() => {
  worker = new FakeWorker();
});

/** Nothing is out: all frames are free or wait for packets. */
function expectNoneOut(): void {
  worker.poll();
  expect(worker.framesOut).toBe(0);
}

describe("a packet in a chain of frames", () => {
  test("goes through the pipeline again unchanged, at every number of frames", () => {
    for (const length of [ROOM, ROOM + 1, 2 * ROOM, 2 * ROOM + 1, 8000, WEIR_CHAIN_FRAMES * ROOM]) {
      const frame = jumbo(length);
      worker.receive(frame, { generation: length });
      expect(worker.poll()).toBe(1);
      expect(worker.decisions()).toMatchObject([{ generation: length, sourcePort: 1000, destinationPort: 53 }]);
      worker.apply();
      expect(worker.sent()).toEqual([{ action: RECEIVED, interface: 1, vrf: 7, packet: frame }]);
      expectNoneOut();
    }
  });

  test("counts as one of the budget, and stands between others", () => {
    worker.receive(jumbo(100, 1), { generation: 1 });
    worker.receive(jumbo(5000, 2), { generation: 2 });
    worker.receive(jumbo(100, 3), { generation: 3 });
    expect(worker.poll(2)).toBe(2);
    expect(worker.decisions().map(({ sourcePort }) => sourcePort)).toEqual([1, 2]);
    worker.apply();
    expect(worker.poll(2)).toBe(1);
    worker.apply();
    expect(worker.sent().map(({ packet }) => packet.length)).toEqual([100, 5000, 100]);
    expectNoneOut();
  });

  test("is taken when its end is there", () => {
    const frame = jumbo(2000);
    worker.receiveBegin(frame.slice(0, ROOM));
    expect(worker.poll()).toBe(0);
    worker.receiveEnd(frame.slice(ROOM));
    expect(worker.poll()).toBe(1);
    worker.apply();
    expect(worker.sent()[0]?.packet).toEqual(frame);
    expectNoneOut();
  });

  test("of more frames than there may be is dropped and counted", () => {
    worker.receive(jumbo(WEIR_CHAIN_FRAMES * ROOM + 1));
    expect(worker.poll()).toBe(1);
    expect(worker.decisions()).toEqual([]);
    expect(worker.drops(1, "trap-too-big")).toBe(1);
    expectNoneOut();
  });

  test("that lies about its length is dropped", () => {
    const frame = jumbo(5000);
    worker.receive(frame.slice(0, 4000));
    worker.poll();
    expect(worker.drops(1, "invalid-packet")).toBe(1);
    expectNoneOut();
  });

  test("waits for its verdict, and is shown to the controller as a whole", () => {
    protectByAsking();
    const frame = jumbo(6000);
    worker.receive(frame, { generation: 9 });
    worker.poll();
    const [asked] = worker.takeEvents();
    expect(worker.worker.frames.packet(asked?.frame ?? 0, asked?.length ?? 0)).toEqual(frame);
    worker.verdict(asked?.ticket ?? 0, "allow");
    worker.poll();
    worker.apply();
    expect(worker.sent()).toEqual([{ action: RECEIVED, interface: 1, vrf: 7, packet: frame }]);
    expectNoneOut();
  });

  test("does not wait where frames are scarce, so that shorter ones find some", () => {
    worker = new FakeWorker({ frames: 1024, frameReserve: 512 });
    protectByAsking();
    worker.receive(jumbo(6000, 1), { generation: 1 });
    worker.receive(jumbo(100, 2), { generation: 2 });
    worker.poll();
    expect(worker.drops(1, "hold-limit")).toBe(1);
    expect(worker.counter("asked")).toBe(1);
  });

  test("without a way on is answered from its first frame", () => {
    worker.receive(jumbo(8000), { reason: "no-route", nexthop: 0, outInterface: 0 });
    worker.poll();
    const [error] = worker.sent();
    expect(error).toMatchObject({ action: TRANSMIT, interface: 1 });
    expect(error?.packet.length).toBe(14 + 576);
    expect(worker.counter("errorsSent")).toBe(1);
    expectNoneOut();
  });

  test("that is lent counts with all its frames, and is given back with them", () => {
    worker.setControl("trapHandlers", 1 << TrapReasonValue.igmp);
    worker.receive(jumbo(4000), { reason: "igmp" });
    worker.receive(jumbo(4000), { reason: "igmp" });
    worker.poll();
    // Three frames of the four that may be lent.
    expect(worker.control("lentCount")).toBe(3);
    expect(worker.drops(1, "trap-full")).toBe(1);
    const [lent] = worker.takeEvents().filter(({ kind }) => kind === 2);
    worker.release(lent?.frame ?? 0);
    worker.poll();
    expect(worker.control("lentCount")).toBe(0);
    expectNoneOut();
  });

  test("is made of what the controller injects", () => {
    for (const length of [ROOM, ROOM + 1, 8000]) {
      const frame = jumbo(length);
      const at = worker.layout.inject;
      worker.worker.bytes.set(frame, at);
      worker.commands.push((command) => {
        const { view, bytes } = worker.worker;
        bytes.fill(0, command, command + 64);
        commandCodec.kind.set(view, command, CommandKindValue.inject);
        commandCodec.frame.set(view, command, at);
        commandCodec.length.set(view, command, length);
        commandCodec.injectAction.set(view, command, InjectActionValue.transmit);
        commandCodec.interface.set(view, command, 2);
      });
      worker.poll();
      expect(worker.sent()).toEqual([{ action: TRANSMIT, interface: 2, vrf: 0, packet: frame }]);
      expectNoneOut();
    }
  });

  test("is dropped and counted where the transmit ring has no room for all of it", () => {
    for (let i = 0; i < 31; i++) worker.receive(jumbo(2000, i), { generation: i + 1 });
    worker.poll();
    worker.receive(jumbo(5000, 99), { generation: 99 });
    worker.poll();
    worker.apply();
    expect(worker.drops(1, "trap-full")).toBe(1);
    expect(worker.sent()).toHaveLength(31);
    expectNoneOut();
  });
});

function protectByAsking(): void {
  worker.setPolicy(compilePolicy({ revision: 1, sets: [[]] }));
  worker.setInterface(2, 1);
  worker.setControl("asking", 1);
  worker.setControl("askTimeoutMs", 1000);
}
