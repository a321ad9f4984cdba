// SPDX-License-Identifier: Apache-2.0
/** Pairs of translated flows: they find each other by what the packets become, in all that the kernel does with pairs. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { FLOW_FLAG_REVERSE, FlowActionValue, FlowStateValue, INTERFACE_POLICY } from "../../sdk/layout/generated.ts";
import { hooks, Pipeline } from "./pipeline_harness.ts";
import { trapOf } from "./pipeline_outcome.ts";
import { MAC_A, MAC_B, TCP_ACK, TCP_FIN, TCP_SYN, tcp, udp } from "./pipeline_packets.ts";

const families = [
  ["IPv4", { a: "10.97.0.1", b: "10.97.0.2", service: "10.96.0.10", pool: "192.0.2.77" }],
  ["IPv6", { a: "fd00:97::1", b: "fd00:97::2", service: "fd00:96::10", pool: "2001:db8::77" }],
] as const;

let pipeline: Pipeline;

beforeAll(() => {
  pipeline = new Pipeline();
});
afterAll(() => pipeline[Symbol.dispose]());
beforeEach(() => {
  pipeline.clear();
  pipeline.controllerStops();
  pipeline.controllerStarts();
  pipeline.configure({ headlessForward: 0, holdTimeoutMs: 2000 });
  pipeline.addInterface(1, { mac: MAC_A, flags: INTERFACE_POLICY });
  pipeline.addInterface(2, { mac: MAC_B, flags: INTERFACE_POLICY });
  pipeline.receiveOn(1);
});

describe.each(families)("a translated flow of %s", (family, { a, b, service, pool }) => {
  const key = (protocol = 17) => ({ source: a, destination: service, protocol });
  const becomes = { source: pool, sourcePort: 40000, destination: b, destinationPort: 8080 };
  const answer = (protocol = 17, port = 40000) => ({
    source: b,
    destination: pool,
    sourcePort: 8080,
    destinationPort: port,
    protocol,
  });
  const set = (o: Parameters<Pipeline["decide"]>[1] = {}, protocol = 17) =>
    pipeline.decide(key(protocol), { action: "nat", becomes, ...o });

  test("has its other direction under the key of what answers it", () => {
    const { result, generation } = set();
    expect(result).toBe("ok");
    expect(pipeline.flow(key())).toMatchObject({ action: FlowActionValue.nat, generation, flags: 0 });
    expect(pipeline.flow(answer())).toMatchObject({
      action: FlowActionValue.nat,
      generation,
      flags: FLOW_FLAG_REVERSE,
    });
    expect(pipeline.flow({ source: service, destination: a, sourcePort: 2000, destinationPort: 1000 })).toBeUndefined();
  });

  test("is deleted as a pair, from either side", () => {
    for (const side of [key(), answer()]) {
      set();
      expect(pipeline.decide(side, { operation: "delete" }).result).toBe("ok");
      expect([pipeline.flow(key()), pipeline.flow(answer())]).toEqual([undefined, undefined]);
    }
  });

  test("takes its old other direction along when it is decided anew", () => {
    const { generation } = set();
    const next = set({ generation, becomes: { ...becomes, sourcePort: 40001 } });
    expect(next.result).toBe("ok");
    expect(pipeline.flow(answer())).toBeUndefined();
    expect(pipeline.flow(answer(17, 40001))?.generation).toBe(next.generation);
    expect(pipeline.decide(key(), { generation: next.generation, action: "drop" }).result).toBe("ok");
    expect(pipeline.flow(answer(17, 40001))).toBeUndefined();
  });

  test("keeps its counters and state when it is decided anew alike", () => {
    const { generation } = set();
    pipeline.run("tc", udp(key()));
    set({ generation });
    expect(pipeline.flow(key())).toMatchObject({ packets: 1 });
  });

  test("may not become what another one is already", () => {
    const first = set();
    const other = { source: a, destination: service, sourcePort: 1001 };
    expect(pipeline.decide(other, { action: "nat", becomes }).result).toBe("exists");
    // Neither by a decision on a hold.
    pipeline.addRoute(1, `${service}/${family === "IPv4" ? 32 : 128}`, 2);
    const generation = trapOf(pipeline.run("tc", udp(other)))?.generation ?? 0;
    expect(generation).not.toBe(0);
    expect(pipeline.decide(other, { action: "nat", becomes, generation }).result).toBe("exists");
    expect(pipeline.flow(answer())?.generation).toBe(first.generation);
    pipeline.decide(key(), { operation: "delete" });
    expect(pipeline.decide(other, { action: "nat", becomes, generation }).result).toBe("ok");
  });

  test("ages as a pair", () => {
    set();
    pipeline.makeOlder(key(), 61);
    pipeline.makeOlder(answer(), 61);
    pipeline.sweep();
    pipeline.sweep();
    expect([pipeline.flow(key()), pipeline.flow(answer())]).toEqual([undefined, undefined]);
    set();
    pipeline.makeOlder(key(), 61);
    pipeline.sweep();
    pipeline.sweep();
    expect([pipeline.flow(key()), pipeline.flow(answer())]).not.toContain(undefined);
  });

  test.each(hooks)("follows a TCP connection from both sides on the %s hook", (hook) => {
    set({}, 6);
    const send = (flags: number, sequence: number, acknowledgement: number) => {
      pipeline.receiveOn(1);
      const frame = tcp({ ...key(6), flags, sequence, acknowledgement });
      expect(pipeline.run(hook, frame).verdict).toBe("out");
    };
    const reply = (flags: number, sequence: number, acknowledgement: number) => {
      pipeline.receiveOn(2);
      const frame = tcp({ ...answer(6), from: MAC_B, flags, sequence, acknowledgement });
      expect(pipeline.run(hook, frame).verdict).toBe("out");
    };
    const states = () => [pipeline.flow(key(6))?.state, pipeline.flow(answer(6))?.state];
    send(TCP_SYN, 100, 0);
    reply(TCP_SYN | TCP_ACK, 500, 101);
    send(TCP_ACK, 101, 501);
    expect(states()).toEqual([FlowStateValue.established, FlowStateValue.established]);
    send(TCP_FIN | TCP_ACK, 101, 501);
    reply(TCP_FIN | TCP_ACK, 501, 102);
    expect(states()).toEqual([FlowStateValue.closed, FlowStateValue.closed]);
  });
});
