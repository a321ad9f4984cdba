// SPDX-License-Identifier: Apache-2.0
/** The SYSCALL programs: decisions applied to the flow tables, and ageing. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  FLOW_FLAG_MARKED,
  FLOW_FLAG_REVERSE,
  FLOW_FLAG_SINGLE,
  FlowActionValue,
  INTERFACE_POLICY,
} from "../../sdk/layout/generated.ts";
import { Pipeline } from "./pipeline_harness.ts";
import type { FlowTuple } from "./pipeline_options.ts";
import { trapOf } from "./pipeline_outcome.ts";
import { MAC_A, MAC_B, udp } from "./pipeline_packets.ts";

let pipeline: Pipeline;

beforeAll(() => {
  pipeline = new Pipeline({ flows: 64 });
  pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_POLICY });
  pipeline.addInterface(2, { mac: MAC_B, flags: INTERFACE_POLICY });
  pipeline.addRoute(1, "10.97.0.1/32", 1);
  pipeline.addRoute(1, "10.97.0.2/32", 2);
  pipeline.addRoute(1, "fd00:97::1/128", 1);
  pipeline.addRoute(1, "fd00:97::2/128", 2);
  pipeline.receiveOn(1);
  pipeline.controllerStarts();
});
afterAll(() => pipeline[Symbol.dispose]());
beforeEach(() => {
  pipeline.clear();
  pipeline.receiveOn(1);
});

function reverseOf(tuple: FlowTuple): FlowTuple {
  const { source, destination, sourcePort = 1000, destinationPort = 2000 } = tuple;
  return {
    ...tuple,
    source: destination,
    destination: source,
    sourcePort: destinationPort,
    destinationPort: sourcePort,
  };
}

describe.each([
  ["IPv4", { source: "10.97.0.1", destination: "10.97.0.2" }],
  ["IPv6", { source: "fd00:97::1", destination: "fd00:97::2" }],
] as const)("%s", (_family, tuple) => {
  function hold(of: FlowTuple = tuple, on = 1): number {
    pipeline.receiveOn(on);
    const trap = trapOf(pipeline.run("tc", udp(of)));
    expect(trap?.reason).toBe("flow-miss");
    return trap?.generation ?? 0;
  }

  test("a decision puts both directions in place with one new generation", () => {
    const held = hold();
    const { result, generation } = pipeline.decide(tuple, { generation: held, rule: 7, worker: 3 });
    expect(result).toBe("ok");
    expect(generation).toBeGreaterThan(held);
    const common = { action: FlowActionValue.forward, generation, rule: 7, worker: 3, packets: 0, trapped: 0 };
    expect(pipeline.flow(tuple)).toMatchObject({ ...common, flags: 0, ingress: 1, nexthop: 2 });
    expect(pipeline.flow(reverseOf(tuple))).toMatchObject({
      ...common,
      flags: FLOW_FLAG_REVERSE,
      ingress: 2,
      nexthop: 1,
    });
  });

  test("a decision of an older policy than that in force is stale, and its packet is decided again", () => {
    const held = hold();
    pipeline.configure({ revision: 1 });
    expect(pipeline.decide(tuple, { generation: held })).toEqual({ result: "stale", generation: held });
    expect(trapOf(pipeline.run("tc", udp(tuple)))).toMatchObject({ reason: "flow-miss", generation: held });
    expect(pipeline.flow(reverseOf(tuple))).toBeUndefined();
    // Revisions go round: this one is older than 0.
    pipeline.configure({ revision: 0xffff_ffff });
    expect(pipeline.decide(tuple, { generation: held }).result).toBe("ok");
    pipeline.configure({ revision: 0 });
  });

  test("a decision on another generation is stale and changes nothing", () => {
    const held = hold();
    expect(pipeline.decide(tuple, { generation: held + 100 })).toEqual({ result: "stale", generation: held });
    expect(pipeline.flow(tuple)?.action).toBe(FlowActionValue.hold);
    expect(pipeline.flow(reverseOf(tuple))).toBeUndefined();
  });

  test("a decision on an entry that is gone is missing", () => {
    expect(pipeline.decide(tuple, { generation: 5 })).toEqual({ result: "missing", generation: 0 });
    expect(pipeline.flow(tuple)).toBeUndefined();
  });

  test("a decision of generation 0 needs an empty place", () => {
    expect(pipeline.decide(tuple).result).toBe("ok");
    const { generation } = pipeline.flow(tuple) ?? { generation: 0 };
    expect(pipeline.decide(tuple)).toEqual({ result: "exists", generation });
    expect(pipeline.decide(reverseOf(tuple)).result).toBe("exists");
  });

  test("a decision is replaced by one that names it, and keeps its counters", () => {
    const first = pipeline.decide(tuple).generation;
    expect(pipeline.run("tc", udp(tuple)).verdict).toBe("out");
    const { result, generation } = pipeline.decide(tuple, { generation: first, action: "drop" });
    expect(result).toBe("ok");
    expect(pipeline.flow(tuple)).toMatchObject({ action: FlowActionValue.drop, packets: 1, generation });
    expect(pipeline.flow(reverseOf(tuple))).toMatchObject({ action: FlowActionValue.drop, generation });
  });

  test("a hold on the reverse direction gives way, and its own decision is stale then", () => {
    const forward = hold(tuple, 1);
    const reverse = hold(reverseOf(tuple), 2);
    expect(pipeline.decide(tuple, { generation: forward }).result).toBe("ok");
    expect(pipeline.flow(reverseOf(tuple))?.flags).toBe(FLOW_FLAG_REVERSE);
    const options = { generation: reverse, ingress: 2, reverseIngress: 1 };
    expect(pipeline.decide(reverseOf(tuple), options).result).toBe("stale");
  });

  test("a single entry has no reverse, and gives way to another flow's reverse", () => {
    const held = hold(reverseOf(tuple), 2);
    pipeline.decide(reverseOf(tuple), { generation: held, action: "drop", flags: FLOW_FLAG_SINGLE, ingress: 2 });
    expect(pipeline.flow(tuple)).toBeUndefined();
    expect(pipeline.decide(tuple).result).toBe("ok");
    expect(pipeline.flow(reverseOf(tuple))).toMatchObject({
      action: FlowActionValue.forward,
      flags: FLOW_FLAG_REVERSE,
    });
  });

  test("deleting removes the pair, from either side, if the generation is right", () => {
    for (const named of [tuple, reverseOf(tuple)]) {
      const { generation } = pipeline.decide(tuple);
      expect(pipeline.decide(named, { operation: "delete", generation: generation + 1 }).result).toBe("stale");
      expect(pipeline.flow(tuple)).toBeDefined();
      expect(pipeline.decide(named, { operation: "delete", generation }).result).toBe("ok");
      expect(pipeline.flow(tuple)).toBeUndefined();
      expect(pipeline.flow(reverseOf(tuple))).toBeUndefined();
    }
    expect(pipeline.decide(tuple, { operation: "delete" }).result).toBe("missing");
    pipeline.decide(tuple);
    expect(pipeline.decide(tuple, { operation: "delete" }).result).toBe("ok");
  });

  test("a full table takes neither direction, and the hold stays", () => {
    const held = hold();
    let port = 1;
    for (; port < 1000; port++) {
      if (pipeline.decide({ ...tuple, sourcePort: port }, { flags: FLOW_FLAG_SINGLE }).result === "full") break;
    }
    expect(port).toBeLessThan(1000);
    expect(pipeline.decide(tuple, { generation: held }).result).toBe("full");
    expect(pipeline.flow(tuple)?.action).toBe(FlowActionValue.hold);
    expect(pipeline.flow(reverseOf(tuple))).toBeUndefined();
  });

  test("an idle pair is marked by one sweep and removed by the next", () => {
    pipeline.decide(tuple, { idleSeconds: 2 });
    expect(pipeline.sweep()).toMatchObject({ seen: 2, removed: 0, marked: 0, holds: 0 });
    for (const entry of [tuple, reverseOf(tuple)]) pipeline.makeOlder(entry, 3);
    expect(pipeline.sweep()).toMatchObject({ seen: 2, removed: 0, marked: 1, holds: 0 });
    expect(pipeline.flow(tuple)?.flags).toBe(FLOW_FLAG_MARKED);
    expect(pipeline.sweep().removed).toBe(2);
    expect(pipeline.flow(tuple)).toBeUndefined();
    expect(pipeline.flow(reverseOf(tuple))).toBeUndefined();
  });

  test("a flow in use is not looked at again before it can have been idle for too long", () => {
    pipeline.decide(tuple, { idleSeconds: 2 });
    expect(pipeline.sweep(true)).toMatchObject({ seen: 2, looked: 1 });
    expect(pipeline.sweep(false)).toMatchObject({ seen: 2, looked: 0 });
    // Unless the idle times are others by now.
    pipeline.configure({ udpSeconds: 61 });
    expect(pipeline.sweep(false)).toMatchObject({ seen: 2, looked: 1, marked: 0 });
    expect(pipeline.sweep(false)).toMatchObject({ seen: 2, looked: 0 });
    pipeline.configure({ udpSeconds: 0 });
  });

  test("a hold's slot goes to its flow, and that of a flow that was deleted to the next", () => {
    const other = { ...tuple, sourcePort: 77 };
    const held = hold();
    pipeline.decide(tuple, { generation: held });
    expect(pipeline.slot(tuple)).toBe(1);
    expect(pipeline.slot(reverseOf(tuple))).toBe(0);
    pipeline.decide(other);
    expect(pipeline.slot(other)).toBe(2);
    pipeline.decide(tuple, { operation: "delete" });
    pipeline.decide({ ...tuple, sourcePort: 78 });
    expect(pipeline.slot({ ...tuple, sourcePort: 78 })).toBe(1);
    expect(pipeline.sweep().seen).toBe(4);
  });

  test("the slot of an entry that went by another way is free after two sweeps", () => {
    pipeline.decide(tuple, { flags: FLOW_FLAG_SINGLE });
    pipeline.forget(tuple);
    expect(pipeline.sweep().looked).toBe(1);
    expect(pipeline.sweep().looked).toBe(1);
    expect(pipeline.sweep().looked).toBe(0);
    pipeline.decide(tuple, { flags: FLOW_FLAG_SINGLE });
    expect(pipeline.slot(tuple)).toBe(1);
  });

  test("a decision without a reverse entry takes away the one that was there", () => {
    const { generation } = pipeline.decide(tuple);
    expect(pipeline.decide(tuple, { generation, flags: FLOW_FLAG_SINGLE }).result).toBe("ok");
    expect(pipeline.flow(reverseOf(tuple))).toBeUndefined();
    expect(pipeline.sweep().seen).toBe(1);
  });

  test("a packet of either direction keeps a marked pair", () => {
    pipeline.decide(tuple, { idleSeconds: 2 });
    for (const entry of [tuple, reverseOf(tuple)]) pipeline.makeOlder(entry, 3);
    expect(pipeline.sweep().marked).toBe(1);
    pipeline.receiveOn(2);
    expect(pipeline.run("tc", udp(reverseOf(tuple))).verdict).toBe("out");
    expect(pipeline.sweep()).toMatchObject({ seen: 2, removed: 0, marked: 0, holds: 0 });
    expect(pipeline.flow(tuple)?.flags).toBe(0);
  });

  test("a pair whose answers are in another VRF ages as one, and leaves the flow of its key turned round", () => {
    const answer = { ...reverseOf(tuple), vrf: 2 };
    pipeline.decide(tuple, { idleSeconds: 2, reverseVrf: 2 });
    pipeline.decide(reverseOf(tuple), { flags: FLOW_FLAG_SINGLE });
    for (const entry of [tuple, answer]) pipeline.makeOlder(entry, 3);
    expect(pipeline.sweep().marked).toBe(1);
    expect(pipeline.sweep().removed).toBe(2);
    expect([pipeline.flow(tuple), pipeline.flow(answer)]).toEqual([undefined, undefined]);
    expect(pipeline.flow(reverseOf(tuple))).toBeDefined();
  });

  test("an entry whose place in a pair another flow has taken goes alone", () => {
    pipeline.decide(tuple, { idleSeconds: 2 });
    for (const entry of [tuple, reverseOf(tuple)]) pipeline.makeOlder(entry, 3);
    expect(pipeline.sweep().marked).toBe(1);
    pipeline.forget(reverseOf(tuple));
    pipeline.decide(reverseOf(tuple), { flags: FLOW_FLAG_SINGLE });
    expect(pipeline.sweep().removed).toBe(1);
    expect(pipeline.flow(tuple)).toBeUndefined();
    expect(pipeline.flow(reverseOf(tuple))).toBeDefined();
  });

  test("a hold past its time is removed, a younger one stays", () => {
    hold();
    expect(pipeline.sweep()).toMatchObject({ seen: 1, removed: 0, marked: 0, holds: 1 });
    pipeline.makeOlder(tuple, 3);
    expect(pipeline.sweep()).toMatchObject({ seen: 1, removed: 1, marked: 0, holds: 0 });
  });

  test("an entry whose other direction is gone ages by itself", () => {
    const { generation } = pipeline.decide(tuple, { flags: FLOW_FLAG_SINGLE, idleSeconds: 2 });
    expect(generation).toBeGreaterThan(0);
    pipeline.makeOlder(tuple, 3);
    expect(pipeline.sweep().marked).toBe(1);
    expect(pipeline.sweep().removed).toBe(1);
  });
});

test("the idle time follows the protocol and the configuration", () => {
  pipeline.configure({ udpSeconds: 2, icmpSeconds: 3, otherSeconds: 4, tcpSynSeconds: 5 });
  const tuple = { source: "10.97.0.1", destination: "10.97.0.2" };
  for (const [protocol, seconds] of [
    [17, 2],
    [1, 3],
    [99, 4],
    [6, 5],
  ] as const) {
    pipeline.clear();
    pipeline.decide({ ...tuple, protocol }, { flags: FLOW_FLAG_SINGLE });
    pipeline.makeOlder({ ...tuple, protocol }, seconds - 1);
    expect(pipeline.sweep().marked).toBe(0);
    pipeline.makeOlder({ ...tuple, protocol }, 2);
    expect(pipeline.sweep().marked).toBe(1);
  }
});
