// SPDX-License-Identifier: Apache-2.0
/** Packets that are cut, lie about their lengths, or are piled up: each ends in a verdict that is counted. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fields, setField } from "./fuzz/fields.ts";
import { headersOf, repairChecksums, repairLengths } from "./fuzz/headers.ts";
import { type Scene, SHORTEST, Stage } from "./fuzz/stage.ts";
import { V4 } from "./pipeline_frames.ts";
import { hooks } from "./pipeline_harness.ts";
import { be16, concat, ethernet, ip, ipPacket, udp, udpSegment } from "./pipeline_packets.ts";
import { FABRIC_MAC, PEER_MAC, VNI } from "./pipeline_tunnels.ts";
import { SCAPY_TIMEOUT_MS } from "./scapy.ts";

const TIMEOUT_MS = 180_000;

let stage: Stage;
/** One for each chain of headers that the cases have. */
let chains: readonly Scene[];

beforeAll(() => {
  stage = new Stage();
  const byChain = new Map<string, Scene>();
  for (const scene of stage.scenes) {
    const chain = headersOf(scene.frame).map(({ kind }) => kind);
    // In a tunnel that ends here or on its way elsewhere, with policy or without: not the same.
    const key = [scene.on, JSON.stringify(scene.state.interfaces ?? {}), ...chain].join(" ");
    if (!byChain.has(key)) byChain.set(key, scene);
  }
  chains = [...byChain.values()];
}, SCAPY_TIMEOUT_MS);
afterAll(() => stage?.[Symbol.dispose]());

/** The frame up to each of its bytes, as it is and with the lengths and checksums of what is left. */
function cuts(frame: Uint8Array, shortest: number): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let length = shortest; length < frame.length; length++) {
    const cut = frame.slice(0, length);
    const repaired = cut.slice();
    const headers = headersOf(repaired);
    repairLengths(repaired, headers);
    repairChecksums(repaired, headers);
    all.push(cut, repaired);
  }
  return all;
}

/** The frame with each of its fields wrong in each way, IPv4 checksums right again and wrong. */
function lies(frame: Uint8Array): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (const { kind, at } of headersOf(frame))
    for (const field of fields[kind])
      for (const value of field.values) {
        const wrong = frame.slice();
        setField(wrong, at, field, value);
        const right = wrong.slice();
        repairChecksums(right, headersOf(right));
        all.push(wrong, right);
      }
  return all;
}

describe.each(hooks)("on the %s hook", (hook) => {
  const complaints = (scenes: readonly Scene[], frames: (scene: Scene) => readonly Uint8Array[]) =>
    scenes.flatMap((scene) => stage.complaint(hook, scene, frames(scene)) ?? []);

  test(
    "each chain of headers cut at each byte is counted",
    () => expect(complaints(chains, ({ frame }) => cuts(frame, SHORTEST[hook]))).toEqual([]),
    TIMEOUT_MS,
  );

  test(
    "each chain of headers with each field wrong is counted",
    () => expect(complaints(chains, ({ frame }) => lies(frame))).toEqual([]),
    TIMEOUT_MS,
  );

  test("fragments that overlap in any way and order are counted", () => {
    const frames: Uint8Array[] = [];
    for (const offset of [0, 1, 2, 3, 0x1fff])
      for (const more of [0, 0x2000])
        for (const bytes of [0, 1, 8, 40]) {
          const payload = concat(udpSegment(V4), new Uint8Array(40)).subarray(0, bytes);
          frames.push(ip(17, payload, { ...V4, fragment: more | offset }));
          const extension = Uint8Array.of(17, 0, offset >> 5, ((offset << 3) & 0xff) | (more >> 13), 0, 0, 0, 7);
          frames.push(
            ip(17, payload, {
              source: "fd00:97::1",
              destination: "fd00:97::2",
              options: extension,
              firstExtension: 44,
            }),
          );
        }
    const withPolicy = stage.scenes.filter(({ name }) => name.startsWith("related packets: fragments"));
    expect(withPolicy.length).toBeGreaterThan(5);
    expect(complaints(withPolicy, () => [...frames, ...frames.toReversed()])).toEqual([]);
  });

  test("tunnels in tunnels, however deep, are counted", () => {
    const addresses = { source: "192.0.2.2", destination: "192.0.2.1", from: PEER_MAC, to: FABRIC_MAC };
    const vxlan = (frame: Uint8Array) => {
      const payload = concat([8, 0, 0, 0, 0, 0, VNI, 0], frame);
      return ip(17, udpSegment({ ...addresses, sourcePort: 50000, destinationPort: 4789, payload }), addresses);
    };
    const gre = (frame: Uint8Array, label: number) =>
      ip(
        47,
        concat([0, 0, 0x88, 0x47], be16(label >> 4), [((label & 15) << 4) | 1, 64], frame.subarray(14)),
        addresses,
      );
    const frames: Uint8Array[] = [];
    for (const inner of [
      udp(V4),
      ethernet(0x0806, new Uint8Array(28)),
      ethernet(0x0800, ipPacket(17, new Uint8Array(0), V4)),
    ])
      for (let depth = 1, packed = inner; depth <= 12; depth++) {
        packed = depth % 3 === 0 ? gre(packed, 100) : vxlan(packed);
        frames.push(packed, packed.subarray(0, packed.length - 7));
      }
    const arrivals = stage.scenes.filter(({ name }) => name.startsWith("tunnels: what arrives"));
    expect(arrivals.length).toBeGreaterThan(10);
    expect(complaints(arrivals, () => frames)).toEqual([]);
  });
});

test("the chains of headers are many", () => {
  expect(chains.length).toBeGreaterThan(100);
});
