// SPDX-License-Identifier: Apache-2.0
/** Token buckets: bursts, rates from 1 kbit/s to 400 Gbit/s, and what large packets cost, on both hooks. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  INTERFACE_POLICE_RECEIVED,
  INTERFACE_POLICE_SENT,
  POLICE_RECEIVED,
  POLICE_SENT,
} from "../../sdk/layout/generated.ts";
import { skbContext, xdpContext } from "../../sdk/libbpf/index.ts";
import { policed, setPolicer } from "./pipeline_classes.ts";
import { V4, V6 } from "./pipeline_frames.ts";
import { type Hook, hooks, Pipeline } from "./pipeline_harness.ts";
import { MAC_A, MAC_B, TCP_ACK, tcp, udp } from "./pipeline_packets.ts";

const TAGGED = 4;
const XDP_DROP = 1;
const TC_ACT_SHOT = 2;
/** A bridged frame: a test run that repeats it finds it as it was. */
const bridged = (bytes: number) => udp({ ...V4, to: MAC_B, payload: new Uint8Array(bytes - 14 - 20 - 8) });

const directions = [
  { name: "what an interface sends to us", flag: INTERFACE_POLICE_RECEIVED, direction: POLICE_RECEIVED, id: 1 },
  { name: "what goes out of an interface", flag: INTERFACE_POLICE_SENT, direction: POLICE_SENT, id: 2 },
] as const;

let pipeline: Pipeline;

beforeAll(() => {
  pipeline = new Pipeline();
});
afterAll(() => pipeline[Symbol.dispose]());
beforeEach(() => {
  pipeline.clear();
  pipeline.addInterface(1, { mac: MAC_A });
  pipeline.addInterface(2, { mac: MAC_B });
  pipeline.receiveOn(1);
  pipeline.addBridgeEntry(1, MAC_B, 2);
  pipeline.addRoute(1, "10.97.0.2/32", 2);
  pipeline.addRoute(1, "fd00:97::2/128", 2);
});

/** Runs a frame over and over; tells whether the last one was dropped. */
function repeat(hook: Hook, data: Uint8Array, times: number): boolean {
  const program = pipeline.collection.program(hook === "xdp" ? "weir_xdp" : "weir_tc");
  const { retval } = program.testRun(
    hook === "xdp" ? { data, repeat: times, context: xdpContext({ size: data.length }) } : { data, repeat: times },
  );
  return retval === (hook === "xdp" ? XDP_DROP : TC_ACT_SHOT);
}

describe.each(hooks)("on the %s hook", (hook) => {
  describe.each(directions)("$name", ({ flag, direction, id }) => {
    beforeEach(() => pipeline.addInterface(id, { mac: id === 1 ? MAC_A : MAC_B, flags: flag }));

    test("may come in a burst as long as the bucket, and not one packet more", () => {
      setPolicer(pipeline, id, direction, { bitsPerSecond: 1000, burstBytes: 3000 });
      const verdicts = Array.from({ length: 5 }, () => pipeline.run(hook, bridged(1000)).verdict);
      expect(verdicts).toEqual(["out", "out", "out", "drop", "drop"]);
      expect(pipeline.drops(id)).toEqual({ policed: 2 });
      expect(policed(pipeline, id, direction)).toEqual({ packets: 2, bytes: 2000 });
      expect(pipeline.counter(2, "txPackets")).toBe(3);
    });

    test("is let through again as the bucket fills", () => {
      setPolicer(pipeline, id, direction, { bitsPerSecond: 8000, burstBytes: 300 });
      expect(pipeline.run(hook, bridged(300)).verdict).toBe("out");
      expect(pipeline.run(hook, bridged(300)).verdict).toBe("drop");
      Bun.sleepSync(310); // 300 bytes at 1 kB/s are 300 ms
      expect(pipeline.run(hook, bridged(300)).verdict).toBe("out");
      expect(pipeline.run(hook, bridged(300)).verdict).toBe("drop");
    });

    test("longer than the whole bucket it passes when that is full, and is paid for later", () => {
      setPolicer(pipeline, id, direction, { bitsPerSecond: 1000, burstBytes: 100 });
      expect(pipeline.run(hook, bridged(1000)).verdict).toBe("out");
      Bun.sleepSync(50);
      expect(pipeline.run(hook, bridged(60)).verdict).toBe("drop");
    });

    test.each([10e6, 150e6])("goes at the rate, %d bit/s", (bitsPerSecond) => {
      // A second's worth: while the run has to wait for a CPU, no token is lost.
      const burstBytes = bitsPerSecond / 8;
      setPolicer(pipeline, id, direction, { bitsPerSecond, burstBytes });
      const measure = (times: number) => {
        const empty = repeat(hook, bridged(64), times);
        return { empty, at: performance.now(), bytes: pipeline.counter(2, "txBytes") };
      };
      let start = measure(Math.ceil(burstBytes / 64));
      while (!start.empty) start = measure(50_000);
      expect(start.bytes).toBeGreaterThanOrEqual(burstBytes - 64);
      // At its end the bucket is empty; when that was is told late now and then. The median of the slopes
      // between any two rounds is the rate (Theil, Sen).
      const rounds = Array.from({ length: 24 }, () => measure(50_000)).filter(({ empty }) => empty);
      const rates = rounds.flatMap((from, i) =>
        rounds.slice(i + 6).map((to) => ((to.bytes - from.bytes) * 8000) / (to.at - from.at)),
      );
      const median = rates.sort((a, b) => a - b)[Math.floor(rates.length / 2)] ?? 0;
      expect(median / bitsPerSecond).toBeGreaterThan(0.97);
      expect(median / bitsPerSecond).toBeLessThan(1.03);
    });

    test("a rate that no test reaches drops nothing", () => {
      setPolicer(pipeline, id, direction, { bitsPerSecond: 400e9, burstBytes: 64 });
      repeat(hook, bridged(64), 100_000);
      expect(pipeline.drops(id)).toEqual({});
    });

    test("no limit is set while the rate is 0", () => {
      setPolicer(pipeline, id, direction, { bitsPerSecond: Number.POSITIVE_INFINITY, burstBytes: 0 });
      repeat(hook, bridged(64), 1000);
      expect(pipeline.drops(id)).toEqual({});
    });
  });
});

/** What the policer of `id` counts of a large packet that it drops. */
function wireBytes(id: number, direction: number, data: Uint8Array, gsoSize: number): number {
  setPolicer(pipeline, id, direction, { bitsPerSecond: 1000, burstBytes: 1 });
  const program = pipeline.collection.program("weir_tc");
  const context = skbContext({ gsoSize, gsoSegs: Math.ceil(data.length / gsoSize) });
  for (let i = 0; i < 2; i++) program.testRun({ data, context });
  return policed(pipeline, id, direction).bytes;
}

describe("a packet that the kernel will cut into segments costs the headers of each", () => {
  test.each([
    ["IPv4", V4, 20],
    ["IPv6", V6, 40],
  ] as const)("TCP over %s", (_name, addresses, ip) => {
    pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_POLICE_RECEIVED });
    const frame = tcp({ ...addresses, flags: TCP_ACK, payload: new Uint8Array(3500) });
    expect(wireBytes(1, POLICE_RECEIVED, frame, 1000)).toBe(3500 + 4 * (14 + ip + 20));
  });

  test("UDP", () => {
    pipeline.addInterface(2, { mac: MAC_B, flags: INTERFACE_POLICE_SENT });
    const frame = udp({ ...V4, payload: new Uint8Array(3000) });
    expect(wireBytes(2, POLICE_SENT, frame, 1000)).toBe(3000 + 3 * (14 + 20 + 8));
  });

  test("a tag beside the frame is on the wire as well", () => {
    pipeline.addInterface(TAGGED, { mac: MAC_B, vlan: 42, flags: INTERFACE_POLICE_SENT });
    pipeline.addRoute(1, "10.97.0.4/32", TAGGED);
    const frame = udp({ ...V4, destination: "10.97.0.4", payload: new Uint8Array(3000) });
    expect(wireBytes(TAGGED, POLICE_SENT, frame, 1000)).toBe(3000 + 3 * (14 + 4 + 20 + 8));
  });
});

test("what XDP leaves to TC is paid for once", () => {
  pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_POLICE_RECEIVED });
  pipeline.setNexthop(70, "flood");
  pipeline.addBridgeEntry(1, MAC_B, 70);
  setPolicer(pipeline, 1, POLICE_RECEIVED, { bitsPerSecond: 1000, burstBytes: 1000 });
  for (let i = 0; i < 10; i++) expect(pipeline.run("xdp", bridged(1000)).verdict).toBe("pass");
  expect(pipeline.drops(1)).toEqual({});
});
