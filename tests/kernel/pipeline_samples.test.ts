// SPDX-License-Identifier: Apache-2.0
/** Samples of dropped packets on both hooks: what they hold, and how many there are. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { formatAddress } from "../../sdk/address.ts";
import { DropRing, type KernelDrop } from "../../sdk/dataplane/events/drop_ring.ts";
import { monotonicMs } from "../../sdk/dataplane/instance/clock.ts";
import {
  FLOW_FLAG_SINGLE,
  INTERFACE_POLICY,
  INTERFACE_SOURCE_CHECK,
  NEXTHOP_FLAG_POLICY,
} from "../../sdk/layout/generated.ts";
import { V4, V6 } from "./pipeline_frames.ts";
import { hooks, Pipeline } from "./pipeline_harness.ts";
import { trapOf } from "./pipeline_outcome.ts";
import { echo, ethernet, MAC_A, MAC_B, TCP_SYN, tcp, udp } from "./pipeline_packets.ts";
import { u32 } from "./pipeline_table.ts";

const NOWHERE = { source: "10.97.0.1", destination: "192.0.2.1" };
const HEAD_BYTES = 128;
/** Records that fit 256 KiB: 200 bytes and a header each. */
const RING_SAMPLES = Math.floor((256 * 1024 - 1) / 208);

let pipeline: Pipeline;
let ring: DropRing;

beforeAll(() => {
  pipeline = new Pipeline();
  ring = new DropRing({
    drop_samples: pipeline.map("drop_samples"),
    drop_sample_counters: pipeline.map("drop_sample_counters"),
  });
});
afterAll(() => {
  ring[Symbol.dispose]();
  pipeline[Symbol.dispose]();
});
beforeEach(() => {
  pipeline.clear();
  pipeline.controllerStops();
  pipeline.controllerStarts();
  pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_POLICY, nexthopFlags: NEXTHOP_FLAG_POLICY });
  pipeline.addInterface(2, { mac: MAC_B, flags: INTERFACE_POLICY, nexthopFlags: NEXTHOP_FLAG_POLICY });
  pipeline.addInterface(3, { mac: MAC_A, flags: INTERFACE_SOURCE_CHECK });
  pipeline.receiveOn(1);
  pipeline.addRoute(1, `${V4.destination}/32`, 2);
  pipeline.addRoute(1, `${V6.destination}/128`, 2);
  pipeline.addRoute(1, "198.51.100.0/24", 4);
  pipeline.setNexthop(4, "discard");
  pipeline.configure({ dropSamples: 100 });
  newWindow();
  ring.skip();
});

/** As if a second had passed. */
function newWindow(): void {
  pipeline.map("drop_sampling").update(u32(0), new Uint8Array(16));
}

function samples(): KernelDrop[] {
  const seen: KernelDrop[] = [];
  ring.read((drop) => seen.push(drop));
  return seen;
}

function head(frame: Uint8Array): Uint8Array {
  return frame.slice(0, HEAD_BYTES);
}

describe.each(hooks)("on the %s hook", (hook) => {
  const long = udp({ ...NOWHERE, payload: new Uint8Array(600).map((_, i) => i) });
  const cases: readonly (readonly [reason: string, frame: Uint8Array, expected: object, prepare?: () => void])[] = [
    ["no-route", udp(NOWHERE), { interfaceId: 1, ingress: 1, rule: 0, vlan: 0 }],
    ["no-route", long, { length: long.length }],
    ["ttl-expired", tcp({ ...V6, ttl: 1, flags: TCP_SYN }), { interfaceId: 1 }],
    ["discard", echo({ source: V4.source, destination: "198.51.100.7" }), { interfaceId: 1 }],
    ["invalid-packet", udp(V4).subarray(0, 40), { interfaceId: 1, key: undefined }],
    ["unsupported-protocol", ethernet(0x1234, new Uint8Array(46)), { interfaceId: 1, key: undefined }],
    [
      "unknown-interface",
      udp(V4),
      { interfaceId: 0 },
      () => pipeline.map("devices").delete(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)),
    ],
    ["source-mismatch", udp(V4), { interfaceId: 3, ingress: 3 }, () => pipeline.receiveOn(3)],
    ["no-controller", udp(V4), { interfaceId: 1 }, () => pipeline.controllerStops()],
  ];
  test.each(cases)(
    "a drop for %s is sampled with the bytes that the packet had then",
    (reason, frame, expected, prepare) => {
      prepare?.();
      const before = monotonicMs();
      pipeline.run(hook, frame);
      const [sample, ...others] = samples();
      expect(others).toEqual([]);
      expect(sample).toMatchObject({ reason, hook, length: frame.length, ...expected } as object);
      expect(sample?.head).toEqual(head(frame));
      const time = Number(sample?.time) / 1e6;
      expect(time).toBeGreaterThan(before);
      expect(time).toBeLessThan(monotonicMs());
    },
  );

  test("a packet that is answered by the slow path is sampled, and trapped all the same", () => {
    const outcome = pipeline.run(hook, udp(NOWHERE));
    expect(trapOf(outcome)).toMatchObject({ reason: "no-route" });
    expect(samples()).toHaveLength(1);
  });

  test.each([
    ["IPv4", V4, 4],
    ["IPv6", V6, 6],
  ] as const)("a drop of an %s flow names its key and the rule that decided", (_family, addresses, family) => {
    pipeline.decide(addresses, { action: "drop", rule: 77, flags: FLOW_FLAG_SINGLE });
    pipeline.run(hook, udp(addresses));
    const [sample] = samples();
    expect(sample).toMatchObject({ reason: "policy-deny", rule: 77 });
    const key = sample?.key;
    expect(key).toMatchObject({ family, vrf: 1, protocol: 17, sourcePort: 1000, destinationPort: 2000 });
    expect(formatAddress(key?.source ?? new Uint8Array(16))).toBe(addresses.source);
    expect(formatAddress(key?.destination ?? new Uint8Array(16))).toBe(addresses.destination);
  });

  test("no more than the limit are sampled in a second, the others are counted", () => {
    pipeline.configure({ dropSamples: 5 });
    const before = ring.counters();
    for (let i = 0; i < 12; i++) pipeline.run(hook, udp(NOWHERE));
    expect(samples()).toHaveLength(5);
    newWindow();
    for (let i = 0; i < 3; i++) pipeline.run(hook, udp(NOWHERE));
    expect(samples()).toHaveLength(3);
    const after = ring.counters();
    expect(after.sampled - before.sampled).toBe(8);
    expect(after.limited - before.limited).toBe(7);
    expect(pipeline.drops(1)).toEqual({ "no-route": 15 });
  });

  test("a limit of 0 samples nothing and counts nothing but the drop", () => {
    pipeline.configure({ dropSamples: 0 });
    const before = ring.counters();
    pipeline.run(hook, udp(NOWHERE));
    expect(samples()).toEqual([]);
    expect(ring.counters()).toEqual(before);
    expect(pipeline.drops(1)).toEqual({ "no-route": 1 });
  });

  test("samples that find no room in the ring are told as lost", () => {
    pipeline.configure({ dropSamples: 10_000 });
    const program = pipeline.collection.program(hook === "xdp" ? "weir_xdp_frags" : "weir_tc");
    pipeline.controllerStops();
    program.testRun({ data: udp(V4), repeat: RING_SAMPLES + 40 });
    expect(ring.takeLost()).toBe(40);
    expect(samples()).toHaveLength(RING_SAMPLES);
    expect(ring.takeLost()).toBe(0);
    program.testRun({ data: udp(V4) });
    expect(samples()).toHaveLength(1);
  });
});

test("what is dropped on the trap link is sampled as the packet that was trapped", () => {
  const outcome = pipeline.run("tc", udp(V4));
  pipeline.controllerStops();
  expect(samples()).toEqual([]);
  expect(pipeline.run("xdp", outcome.data, "weir_trap_xdp").verdict).toBe("drop");
  const [sample] = samples();
  expect(sample).toMatchObject({ reason: "no-controller", interfaceId: 1, length: udp(V4).length });
  expect(sample?.head).toEqual(udp(V4));
});
