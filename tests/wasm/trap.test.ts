// SPDX-License-Identifier: Apache-2.0
/** Traps that are the controller's, and one that it only hears of. */

import { beforeEach, describe, expect, test } from "bun:test";
import { EventKindValue, eventCodec, NEXTHOP_FLAG_RESOLVE, TrapReasonValue } from "../../sdk/layout/index.ts";
import { FakeWorker, ROOM } from "./harness.ts";
import { packet, udp } from "./packets.ts";

const RECEIVED = 1;
const frame = packet({ source: "10.97.0.1", destination: "10.97.5.2", protocol: 17, payload: udp(1, 2, [1, 2, 3]) });

let worker: FakeWorker;

beforeEach(() => {
  worker = new FakeWorker();
});

/** The packets lent to the controller, which gives them back. */
function lent(): Uint8Array[] {
  const packets: Uint8Array[] = [];
  worker.events.drain((at) => {
    if (eventCodec.kind.get(worker.worker.view, at) !== EventKindValue.packet) return;
    const address = eventCodec.frame.get(worker.worker.view, at);
    packets.push(worker.worker.frames.packet(address, eventCodec.length.get(worker.worker.view, at)).slice());
    worker.release(address);
  });
  return packets;
}

describe.each(["mac-learn", "ip-learn"] as const)("a packet of the trap %s", (reason) => {
  test.each([
    ["in one frame", frame],
    ["in a chain of frames", Uint8Array.from({ length: 3 * ROOM - 5 }, (_, i) => frame[i] ?? i & 255)],
  ])("%s goes on, and the controller gets a copy if it wants one", (_name, bytes) => {
    for (const handled of [false, true]) {
      worker.setControl("trapHandlers", handled ? 1 << TrapReasonValue[reason] : 0);
      worker.receive(bytes, { reason });
      worker.poll();
      expect(worker.sent()).toMatchObject([{ action: RECEIVED, interface: 1, packet: bytes }]);
      expect(lent()).toEqual(handled ? [bytes] : []);
      worker.poll();
      expect(worker.framesOut).toBe(0);
    }
    expect(worker.drops(1, "unhandled-trap")).toBe(0);
  });

  test("goes on when the controller has too many already", () => {
    worker.setControl("trapHandlers", 1 << TrapReasonValue[reason]);
    for (let i = 0; i < 6; i++) worker.receive(frame, { reason });
    worker.poll();
    expect(worker.sent()).toHaveLength(6);
    expect(lent()).toHaveLength(4);
    expect(worker.drops(1, "trap-full")).toBe(0);
    worker.poll();
    worker.poll();
    expect(worker.framesOut).toBe(0);
  });
});

test.each(["igmp", "dhcp", "bfd", "user"] as const)("%s is the handler's, and a counted drop without one", (reason) => {
  worker.receive(frame, { reason });
  worker.poll();
  expect(worker.drops(1, "unhandled-trap")).toBe(1);
  worker.setControl("trapHandlers", 1 << TrapReasonValue[reason]);
  worker.receive(frame, { reason });
  worker.poll();
  expect(lent()).toEqual([frame]);
  worker.poll();
  expect(worker.drops(1, "unhandled-trap")).toBe(1);
  expect(worker.framesOut).toBe(0);
});

test("a packet of a next hop of type resolve is the handler's, and without one its neighbour cannot be found", () => {
  worker.setNexthop(5, { type: "resolve" });
  worker.receive(frame, { reason: "resolve", nexthop: 5, outInterface: 0 });
  worker.poll();
  expect(worker.drops(1, "no-neighbour")).toBe(1);
  worker.setControl("trapHandlers", 1 << TrapReasonValue.resolve);
  worker.receive(frame, { reason: "resolve", nexthop: 5, outInterface: 0 });
  worker.poll();
  expect(lent()).toEqual([frame]);
  worker.poll();
  expect(worker.framesOut).toBe(0);
});

test("where a handler takes resolve, a neighbour that is only not known yet is asked for all the same", () => {
  worker.setNexthop(5, { flags: NEXTHOP_FLAG_RESOLVE });
  worker.setControl("trapHandlers", 1 << TrapReasonValue.resolve);
  worker.receive(frame, { reason: "resolve", nexthop: 5, outInterface: 2 });
  worker.poll();
  expect(lent()).toEqual([]);
  expect(worker.sent()).toHaveLength(1);
});

describe.each(["source-mismatch", "ttl-expired", "no-route", "packet-too-big"] as const)(
  "%s, which the kernel has counted,",
  (reason) => {
    test("is not counted again when the controller has too many already", () => {
      worker.setControl("trapHandlers", 1 << TrapReasonValue[reason]);
      for (let i = 0; i < 6; i++) worker.receive(frame, { reason });
      worker.poll();
      expect(lent()).toHaveLength(4);
      expect(worker.drops(1, "trap-full")).toBe(0);
      worker.poll();
      worker.poll();
      expect(worker.framesOut).toBe(0);
    });
  },
);

test("a source mismatch whose handler is gone ends without a trace", () => {
  worker.receive(frame, { reason: "source-mismatch" });
  worker.poll();
  expect(worker.sent()).toEqual([]);
  expect(worker.drops(1, "unhandled-trap")).toBe(0);
  expect(worker.framesOut).toBe(0);
});
