// SPDX-License-Identifier: Apache-2.0
/** First packets that come by the memory that kernel programs and worker share. */

import { beforeEach, describe, expect, test } from "bun:test";
import { WEIR_MISSES_PER_WORKER } from "../../sdk/layout/index.ts";
import { FakeWorker } from "./harness.ts";
import { packet, referenceChecksum, tcp, udp } from "./packets.ts";

const FLOW = { source: "10.97.0.1", destination: "10.97.0.2" };
const FLOW6 = { source: "fd00::1", destination: "fd00::2" };
const frame = (port = 1000) => packet({ ...FLOW, protocol: 17, payload: udp(port, 53, []) });
const FOLLOWER = { flags: 0 };

let worker: FakeWorker;

beforeEach(() => {
  worker = new FakeWorker();
  worker.poll();
});

/** The ports of the packets that go on. */
const sentPorts = () =>
  worker.sent().map(({ packet: sent }) => new DataView(sent.buffer, sent.byteOffset).getUint16(34));

describe("a first packet in the ring", () => {
  test("is decided, and goes on as it came", () => {
    expect(worker.misses.put(frame(), { generation: 77, nexthop: 12 })).toBe(true);
    expect(worker.poll()).toBe(1);
    expect(worker.decisions()).toMatchObject([{ generation: 77, nexthop: 12, sourcePort: 1000 }]);
    worker.apply();
    expect(worker.sent()).toEqual([{ action: 1, interface: 1, vrf: 7, packet: frame() }]);
    expect(worker.poll()).toBe(0);
    expect(worker.framesOut).toBe(0);
  });

  test("goes before those of its flow that came by the trap link, which was looked at first", () => {
    worker.receive(frame(1000), { ...FOLLOWER, generation: 5 });
    worker.misses.put(frame(1000), { generation: 5, vrf: 3 });
    worker.poll();
    worker.apply();
    expect(worker.sent().map(({ vrf }) => vrf)).toEqual([3, 7]);
  });

  test("waits until it is complete, and keeps those behind it waiting", () => {
    const first = worker.misses.begin(frame(1), { generation: 1 }) ?? -1;
    worker.misses.put(frame(2), { generation: 2 });
    expect(worker.poll()).toBe(0);
    worker.misses.complete(first);
    expect(worker.poll()).toBe(2);
    worker.apply();
    expect(sentPorts()).toEqual([1, 2]);
  });

  test("that is withdrawn is passed over", () => {
    const first = worker.misses.begin(frame(1), { generation: 1 }) ?? -1;
    worker.misses.put(frame(2), { generation: 2 });
    worker.misses.withdraw(first);
    expect(worker.poll()).toBe(1);
    worker.apply();
    expect(sentPorts()).toEqual([2]);
    expect(worker.poll()).toBe(0);
    expect(worker.framesOut).toBe(0);
  });

  test("is taken once, however often the ring goes round", () => {
    worker.misses.count(2 ** 32 - 100);
    for (let round = 0; round < 60; round++) {
      for (let i = 0; i < 50; i++) worker.misses.put(frame(1 + i), { generation: 1 + round * 50 + i });
      expect([worker.poll(), worker.poll()]).toEqual([50, 0]);
      worker.apply();
      expect(worker.sent().length).toBe(50);
    }
  });

  test("that finds the ring full takes the trap link", () => {
    for (let i = 0; i < WEIR_MISSES_PER_WORKER; i++)
      expect(worker.misses.put(frame(), { generation: i + 1 })).toBe(true);
    expect(worker.misses.put(frame())).toBe(false);
    expect(worker.poll(10)).toBe(10);
    expect(worker.misses.put(frame())).toBe(true);
  });

  test("is nobody's when another process had it", () => {
    worker.misses.put(frame());
    worker.wasm.start(worker.layout.control);
    expect(worker.misses.isAwake).toBe(false);
    expect(worker.poll()).toBe(0);
    expect(worker.misses.put(frame(), { generation: 2 })).toBe(true);
    expect(worker.poll()).toBe(1);
  });
});

describe("a worker", () => {
  test("says that it sleeps, and that it is awake again", () => {
    expect(worker.misses.isAwake).toBe(true);
    expect(worker.wasm.sleep()).toBeTruthy();
    expect(worker.misses.put(frame())).toBe(false);
    worker.poll();
    expect(worker.misses.put(frame())).toBe(true);
  });

  test("does not sleep while there is something in the ring, or about to be", () => {
    const begun = worker.misses.begin(frame(), { generation: 3 }) ?? -1;
    expect(worker.wasm.sleep()).toBeFalsy();
    worker.misses.complete(begun);
    expect(worker.poll()).toBe(1);
    expect(worker.wasm.sleep()).toBeTruthy();
  });
});

describe("a checksum that is left to the sending device", () => {
  const upper = {
    udp: { protocol: 17, payload: udp(1000, 53, [1, 2, 3]), at: 6 },
    tcp: { protocol: 6, payload: tcp(1000, 80, { flags: 2 }), at: 16 },
  };

  /** What goes on when this comes. */
  function passed(bytes: Uint8Array): Uint8Array | undefined {
    worker.misses.put(bytes);
    worker.poll();
    worker.apply();
    return worker.sent()[0]?.packet;
  }

  /** RFC 1071 section 4.1, without the complement; the kernel leaves that of the pseudo header in the field. */
  const foldedSum = (bytes: number[]): number => ~referenceChecksum(new Uint8Array(bytes)) & 0xffff;

  for (const [name, { protocol, payload, at }] of Object.entries(upper)) {
    for (const [version, flow, header, addresses] of [
      ["IPv4", FLOW, 34, [26, 34]],
      ["IPv6", FLOW6, 54, [22, 54]],
    ] as const) {
      test(`is completed in ${name} over ${version}`, () => {
        const whole = packet({ ...flow, protocol, payload });
        const partial = whole.slice();
        const pseudo = foldedSum([...whole.slice(addresses[0], addresses[1]), 0, protocol, 0, payload.length]);
        new DataView(partial.buffer).setUint16(header + at, pseudo);
        new DataView(whole.buffer).setUint16(header + at, ~foldedSum([...partial.slice(header)]));
        expect(passed(partial)).toEqual(whole);
      });
    }
  }

  test("is none where it is wrong, or where UDP has none: they stay as they are", () => {
    for (const checksum of [0, 0x1234]) {
      const bytes = frame();
      new DataView(bytes.buffer).setUint16(40, checksum);
      expect(passed(bytes)).toEqual(bytes);
      worker = new FakeWorker();
      worker.poll();
    }
  });
});
