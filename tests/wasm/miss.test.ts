// SPDX-License-Identifier: Apache-2.0
/** First packets of flows: decision records, bursts, results of the kernel. */

import { beforeEach, describe, expect, test } from "bun:test";
import { FLOW_FLAG_BRIDGED, FLOW_FLAG_SINGLE, FlowActionValue } from "../../sdk/layout/index.ts";
import { compilePolicy, type PolicyInput } from "../../sdk/slowpath/index.ts";
import { FakeWorker } from "./harness.ts";
import { icmp, mapped, packet, tcp, udp } from "./packets.ts";

const FLOW = { source: "10.97.0.1", destination: "10.97.0.2" };
const frame = (port = 1000, data: readonly number[] = []) =>
  packet({ ...FLOW, protocol: 17, payload: udp(port, 53, data) });
const RECEIVED = 1;
const FOLLOWER = { flags: 0 };

let worker: FakeWorker;

beforeEach(() => {
  worker = new FakeWorker();
});

/** Gives interface 2 a policy. */
function protect(policy: Omit<PolicyInput, "name">) {
  const compiled = compilePolicy({ revision: 9, sets: [[{ name: "p", ...policy }]] });
  worker.setPolicy(compiled);
  worker.setInterface(2, 1);
  return (rule: string) => compiled.rules.find((reference) => reference.rule === rule)?.id ?? -1;
}

describe("a new flow", () => {
  test("is decided, and its packet goes through the pipeline again as it came", () => {
    worker.receive(frame(), { vrf: 3, nexthop: 12, reverseNexthop: 11, generation: 77 });
    expect(worker.poll()).toBe(1);
    expect(worker.decisions()).toEqual([
      {
        family: 4,
        action: FlowActionValue.forward,
        flags: 0,
        dropReason: 0,
        mirror: 0,
        generation: 77,
        vrf: 3,
        source: mapped(FLOW.source),
        destination: mapped(FLOW.destination),
        sourcePort: 1000,
        destinationPort: 53,
        protocol: 17,
        ingress: 1,
        reverseIngress: 2,
        nexthop: 12,
        reverseNexthop: 11,
        rule: 0,
        idleSeconds: 0,
        revision: 0,
      },
    ]);
    expect(worker.sent()).toEqual([]);
    worker.apply();
    expect(worker.sent()).toEqual([{ action: RECEIVED, interface: 1, vrf: 3, packet: frame() }]);
    expect(worker.poll()).toBe(0);
    expect(worker.framesOut).toBe(0);
  });

  test("of IPv6 echo has the identifier as both ports, and bridged flows say so", () => {
    const echo = packet({
      source: "fd00::1",
      destination: "fd00::2",
      protocol: 58,
      payload: icmp(128, 0, [0, 42, 0, 1]),
    });
    worker.receive(echo, { flags: 7 });
    worker.poll();
    expect(worker.decisions()[0]).toMatchObject({
      family: 6,
      protocol: 58,
      sourcePort: 42,
      destinationPort: 42,
      source: mapped("fd00::1"),
      flags: FLOW_FLAG_BRIDGED,
    });
  });

  test("without a way back has no reverse entry", () => {
    worker.receive(frame(), { reverseNexthop: 0 });
    worker.poll();
    expect(worker.decisions()[0]?.flags).toBe(FLOW_FLAG_SINGLE);
  });

  test("is decided once when several of its packets come in a burst, and they keep their order", () => {
    const packets = [frame(1, [1]), frame(1, [2]), frame(2, [9]), frame(1, [3])];
    worker.receive(packets[0] as Uint8Array, { generation: 5 });
    worker.receive(packets[1] as Uint8Array, { generation: 5, ...FOLLOWER });
    worker.receive(packets[2] as Uint8Array, { generation: 6 });
    worker.receive(packets[3] as Uint8Array, { generation: 5, ...FOLLOWER });
    worker.poll();
    expect(worker.decisions().map(({ generation }) => generation)).toEqual([5, 6]);
    worker.apply();
    expect(worker.sent().map(({ packet }) => packet)).toEqual(packets);
  });

  test("many of them share a burst without being mixed up", () => {
    for (let i = 0; i < 60; i++) worker.receive(frame(i + 1), { generation: 2048 * i + 7 });
    worker.poll();
    expect(worker.decisions().map(({ sourcePort }) => sourcePort)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
  });

  test("a decision that came too late sends its packet on all the same; a full table drops and counts it", () => {
    for (let i = 0; i < 5; i++) worker.receive(frame(i), { generation: 10 + i });
    worker.poll();
    worker.apply((i) => (["ok", "stale", "exists", "full", "missing"] as const)[i] ?? "ok");
    expect(worker.sent()).toHaveLength(4);
    expect(worker.drops(1, "flow-table-full")).toBe(1);
    expect(worker.counter("stale")).toBe(1);
    expect(worker.poll()).toBe(0);
    expect(worker.framesOut).toBe(0);
  });

  test("records that the kernel never answered drop their packets", () => {
    worker.receive(frame());
    worker.poll();
    worker.apply("pending");
    expect(worker.drops(1, "hold-timeout")).toBe(1);
    worker.poll();
    expect(worker.framesOut).toBe(0);
  });

  test("a flow without a route is answered and not decided", () => {
    worker.receive(frame(), { nexthop: 0 });
    worker.poll();
    expect(worker.decisions()).toEqual([]);
    expect(worker.drops(1, "no-route")).toBe(1);
    expect(worker.sent()[0]?.packet[14 + 20]).toBe(3);
  });

  test("a frame without metadata is not looked at", () => {
    worker.receive(frame());
    worker.worker.bytes.fill(0, worker.layout.umem, worker.layout.umem + worker.layout.sizes.frames * 2048);
    worker.poll();
    expect(worker.decisions()).toEqual([]);
    expect(worker.framesOut).toBe(0);
  });

  test("rings are gone round many times without losing a frame", () => {
    for (let i = 0; i < 1000; i++) {
      worker.receive(frame(i), { generation: i + 1 });
      worker.poll();
      worker.apply();
      expect(worker.sent()).toHaveLength(1);
    }
    worker.poll();
    expect(worker.framesOut).toBe(0);
  });
});

describe("policy on the way", () => {
  test("a denied flow gets a drop entry, its packets are counted, and the drop is reported with its rule", () => {
    const id = protect({ rules: [{ name: "no", action: "deny", proto: "udp" }] });
    worker.receive(frame(1, [1]), { generation: 5 });
    worker.receive(frame(1, [2]), { generation: 5, ...FOLLOWER });
    worker.poll();
    expect(worker.decisions()).toMatchObject([
      {
        action: FlowActionValue.drop,
        flags: FLOW_FLAG_SINGLE,
        dropReason: 16,
        rule: id("no"),
        generation: 5,
        revision: 9,
      },
    ]);
    worker.apply();
    expect(worker.sent()).toEqual([]);
    expect(worker.drops(1, "policy-deny")).toBe(2);
    expect(worker.counter("denied")).toBe(1);
    expect(worker.takeEvents()[0]).toMatchObject({
      kind: 4,
      rule: id("no"),
      dropReason: 16,
      direction: 1,
      sourcePort: 1,
    });
    worker.poll();
    expect(worker.framesOut).toBe(0);
  });

  test("a reported drop has the packet's first 128 bytes, and a later packet of the burst the same rule", () => {
    const id = protect({
      default: "deny",
      rules: [{ name: "no", action: "deny", direction: "ingress", proto: "udp" }],
    });
    const long = frame(
      1,
      Array.from({ length: 300 }, (_, i) => i & 255),
    );
    worker.receive(long, { generation: 5 });
    worker.receive(frame(1), { generation: 5, ...FOLLOWER });
    worker.poll();
    expect(worker.takeEvents()).toMatchObject([
      { rule: id("no"), length: long.length, head: long.slice(0, 128) },
      { rule: id("no"), length: frame(1).length, head: frame(1) },
    ]);
  });

  test("no more drops are reported a second than are asked for, and none when none are", () => {
    protect({ default: "deny" });
    worker.sampleDrops(3);
    const miss = (count: number, first: number) => {
      for (let i = 0; i < count; i++) worker.receive(frame(first + i), { generation: first + i });
      worker.poll();
      return worker.takeEvents().length;
    };
    expect(miss(5, 10)).toBe(3);
    expect(worker.counter("samplesLimited")).toBe(2);
    worker.sampleDrops(0);
    expect(miss(5, 20)).toBe(0);
    expect(worker.counter("samplesLimited")).toBe(2);
    expect(worker.drops(1, "policy-deny")).toBe(10);
  });

  test("only the packet that made the hold entry may have it replaced by a drop", () => {
    protect({ default: "deny" });
    worker.receive(frame(), FOLLOWER);
    worker.poll();
    expect(worker.decisions()).toEqual([]);
    expect(worker.drops(1, "policy-deny")).toBe(1);
  });

  test("without a policy yet, packets are dropped and nothing is decided", () => {
    worker.setInterface(1, 3);
    worker.receive(frame());
    worker.poll();
    expect(worker.decisions()).toEqual([]);
    expect(worker.drops(1, "hold-timeout")).toBe(1);
  });

  test("a rule's hits count the flows that the kernel took", () => {
    const id = protect({
      rules: [
        { action: "log", proto: "udp" },
        { action: "allow", proto: "udp" },
      ],
    });
    const hits = (index: number) => {
      const counted = new Map<number, number>();
      worker.policies.addHits(counted);
      return counted.get(id(`#${index}`));
    };
    for (let i = 0; i < 3; i++) worker.receive(frame(i), { generation: i + 1 });
    worker.poll();
    worker.apply((i) => (i === 1 ? "stale" : "ok"));
    expect(hits(1)).toBe(2);
    expect(hits(0)).toBe(3);
    expect(worker.takeEvents().map(({ kind }) => kind)).toEqual([3, 3, 3]);
  });

  test("a rejected TCP connection is reset, and asked again soon", () => {
    protect({ rules: [{ action: "reject" }] });
    worker.receive(packet({ ...FLOW, protocol: 6, payload: tcp(5, 80) }));
    worker.poll();
    expect(worker.decisions()[0]).toMatchObject({ action: FlowActionValue.drop, idleSeconds: 1 });
    worker.apply();
    expect(worker.sent()).toHaveLength(1);
    expect(worker.counter("rejected")).toBe(1);
    worker.poll();
    expect(worker.framesOut).toBe(0);
  });
});
