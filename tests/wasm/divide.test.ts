// SPDX-License-Identifier: Apache-2.0
/** IPv4 packets that are too long for their way, and may be fragmented. */

import { beforeEach, describe, expect, test } from "bun:test";
import { TRAP_FLAG_DIVIDE, TrapReasonValue } from "../../sdk/layout/index.ts";
import { FakeWorker } from "./harness.ts";
import { packet, udp } from "./packets.ts";
import type { Meta } from "./trap_meta.ts";

const RECEIVED = 1;
const NARROW = 5;
const V4 = { source: "10.97.0.1", destination: "10.97.5.2", protocol: 17 };
const MORE = 0x2000;

let worker: FakeWorker;

beforeEach(() => {
  worker = new FakeWorker();
});

const data = (length: number): number[] => Array.from({ length }, (_, i) => (i * 7) & 255);

function divided(frame: Uint8Array, mtu: number, meta: Meta = {}): Uint8Array[] {
  worker.setNexthop(NARROW, { mtu });
  worker.receive(frame, { reason: "packet-too-big", flags: TRAP_FLAG_DIVIDE, nexthop: NARROW, ...meta });
  worker.poll();
  const sent = worker.sent();
  for (const { action, interface: on } of sent) expect([action, on]).toEqual([RECEIVED, 1]);
  worker.poll();
  expect(worker.framesOut).toBe(0);
  return sent.map((one) => one.packet);
}

/** The pieces that RFC 791 asks for, made by hand. */
function pieces(
  payload: readonly number[],
  room: number,
  o: { word?: number; options?: number[]; later?: number[]; vlans?: number[] } = {},
) {
  const word = o.word ?? 0;
  return Array.from({ length: Math.ceil(payload.length / room) }, (_, i) => {
    const at = i * room;
    const more = at + room < payload.length ? MORE : word & MORE;
    const options = i === 0 ? o.options : o.later;
    return packet({
      ...V4,
      payload: payload.slice(at, at + room),
      fragment: more | ((word & 0x1fff) + at / 8),
      ...(options === undefined ? {} : { options }),
      ...(o.vlans === undefined ? {} : { vlans: o.vlans }),
    });
  });
}

describe("a packet that may be fragmented", () => {
  const payload = udp(1, 2, data(1000));

  test.each([576, 575, 300, 68])("is cut to an MTU of %d, at multiples of 8 bytes", (mtu) => {
    const room = (mtu - 20) & ~7;
    expect(divided(packet({ ...V4, payload, fragment: 0 }), mtu)).toEqual(pieces(payload, room));
  });

  test("keeps its tags, and loses its padding", () => {
    const frame = packet({ ...V4, payload, fragment: 0, vlans: [10], padding: 9 });
    expect(divided(frame, 576, { l3Offset: 18 })).toEqual(pieces(payload, 552, { vlans: [10] }));
  });

  test("may be a fragment itself, the last one or another", () => {
    for (const word of [100, MORE | 100, MORE]) {
      expect(divided(packet({ ...V4, payload, fragment: word }), 576)).toEqual(pieces(payload, 552, { word }));
    }
  });

  test("keeps those of its options in all pieces that are to be copied", () => {
    // Record route (7) is for the first one, a router alert (148) and a loose source route (131) are for all.
    const record = [7, 7, 4, 0, 0, 0, 0];
    const copied = [148, 4, 0, 0, 131, 7, 4, 1, 2, 3, 4];
    const options = [...record, 1, ...copied, 0, 0, 0, 0, 0].slice(0, 24);
    const later = [1, 1, 1, 1, 1, 1, 1, 1, ...copied, 0, 0, 0, 0, 0].slice(0, 24);
    const room = (576 - 44) & ~7;
    expect(divided(packet({ ...V4, payload, fragment: 0, options }), 576)).toEqual(
      pieces(payload, room, { options, later }),
    );
  });

  test("may be longer than a frame of the slow path, and so may its pieces", () => {
    const long = udp(1, 2, data(6000));
    const frame = packet({ ...V4, payload: long, fragment: 0 });
    expect(divided(frame, 1500)).toEqual(pieces(long, 1480));
    expect(divided(frame, 4000)).toEqual(pieces(long, 3976));
  });

  test("is not the business of who takes packets that are too big", () => {
    worker.setControl("trapHandlers", 1 << TrapReasonValue["packet-too-big"]);
    expect(divided(packet({ ...V4, payload, fragment: 0 }), 576)).toHaveLength(2);
    expect(worker.control("lentCount")).toBe(0);
  });

  test.each([0, 27])("is a counted drop where nothing fits into the MTU (%d)", (mtu) => {
    expect(divided(packet({ ...V4, payload, fragment: 0 }), mtu)).toEqual([]);
    expect(worker.drops(1, "packet-too-big")).toBe(1);
  });
});
