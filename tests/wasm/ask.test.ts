// SPDX-License-Identifier: Apache-2.0
/** Flows that the controller decides: tickets, waiting packets, verdicts, time-outs; packets lent to handlers. */

import { beforeEach, describe, expect, test } from "bun:test";
import {
  CommandKindValue,
  commandCodec,
  FlowActionValue,
  InjectActionValue,
  RuleActionValue,
} from "../../sdk/layout/index.ts";
import { compilePolicy } from "../../sdk/slowpath/index.ts";
import { FakeWorker } from "./harness.ts";
import { packet, tcp, udp } from "./packets.ts";

const FLOW = { source: "10.97.0.1", destination: "10.97.0.2" };
const frame = (port: number, data: readonly number[] = []) =>
  packet({ ...FLOW, protocol: 17, payload: udp(port, 53, data) });
const FOLLOWER = { flags: 0 };
const ASK = 1;
const PACKET = 2;

let worker: FakeWorker;

function ready(o: { holdLimit?: number; asking?: boolean; otherwise?: "allow" | "deny" } = {}): void {
  worker = new FakeWorker(o.holdLimit === undefined ? {} : { holdLimit: o.holdLimit });
  worker.setPolicy(compilePolicy({ revision: 1, sets: [[]] }));
  worker.setInterface(2, 1);
  worker.setControl("asking", o.asking === false ? 0 : 1);
  worker.setControl("askTimeoutMs", 100);
  worker.setControl("askOtherwise", RuleActionValue[o.otherwise ?? "deny"]);
}

beforeEach(() => ready());

describe("an asked flow", () => {
  test("is decided by the policy that came meanwhile, unless that asks as well", () => {
    const verdictAfter = (policy: { default: "allow" | "deny" | "ask" } | undefined) => {
      ready();
      worker.receive(frame(7), { generation: 5 });
      worker.poll();
      const [event] = worker.takeEvents();
      const compiled = compilePolicy({
        revision: 2,
        sets: policy === undefined ? [] : [[{ name: "new", ...policy }]],
      });
      worker.setPolicy(compiled);
      worker.verdict(event?.ticket ?? 0, "allow", { nexthop: 14 });
      worker.poll();
      return worker.decisions();
    };
    expect(verdictAfter({ default: "ask" })).toMatchObject([
      { action: FlowActionValue.forward, nexthop: 14, revision: 2 },
    ]);
    expect(verdictAfter({ default: "deny" })).toMatchObject([{ action: FlowActionValue.drop, revision: 2 }]);
    expect(worker.drops(1, "policy-deny")).toBe(1);
    expect(verdictAfter({ default: "allow" })).toMatchObject([{ action: FlowActionValue.forward, nexthop: 2 }]);
    // Of an interface whose set is not in the table nothing is known: neither may pass nor be denied for good.
    expect(verdictAfter(undefined)).toEqual([]);
    expect(worker.drops(1, "hold-timeout")).toBe(1);
  });

  test("is reported once; up to three of its packets wait and go on in order when it is allowed", () => {
    const packets = [frame(7, [1]), frame(7, [2]), frame(7, [3])];
    worker.receive(packets[0] as Uint8Array, { generation: 5 });
    worker.receive(packets[1] as Uint8Array, { generation: 5, ...FOLLOWER });
    worker.poll();
    worker.receive(packets[2] as Uint8Array, { generation: 5, ...FOLLOWER });
    worker.receive(frame(7, [4]), { generation: 5, ...FOLLOWER });
    worker.poll();
    expect(worker.drops(1, "hold-limit")).toBe(1);
    expect(worker.control("holdCount")).toBe(3);
    const events = worker.takeEvents().filter(({ kind }) => kind === ASK);
    expect(events).toHaveLength(1);
    const event = events[0] as (typeof events)[0];
    expect(event).toMatchObject({ generation: 5, sourcePort: 7, destinationPort: 53, direction: 1 });
    expect([...worker.worker.bytes.slice(event.frame, event.frame + event.length)]).toEqual([...frame(7, [1])]);
    expect(worker.decisions()).toEqual([]);

    worker.verdict(event.ticket, "allow", { nexthop: 14, idleSeconds: 30 });
    worker.poll();
    expect(worker.decisions()).toMatchObject([
      { action: FlowActionValue.forward, generation: 5, nexthop: 14, idleSeconds: 30, sourcePort: 7 },
    ]);
    worker.apply();
    expect(worker.sent().map(({ packet }) => packet)).toEqual(packets);
    expect(worker.control("holdCount")).toBe(0);
    worker.poll();
    expect(worker.framesOut).toBe(0);
  });

  test("that is denied or rejected ends all its packets", () => {
    worker.receive(frame(1), { generation: 1 });
    worker.receive(packet({ ...FLOW, protocol: 6, payload: tcp(2, 80) }), { generation: 2 });
    worker.poll();
    const [first, second] = worker.takeEvents();
    worker.verdict(first?.ticket ?? 0, "deny");
    worker.verdict(second?.ticket ?? 0, "reject");
    worker.poll();
    expect(worker.decisions()).toMatchObject([
      { action: FlowActionValue.drop, dropReason: 16, generation: 1 },
      { action: FlowActionValue.drop, generation: 2, idleSeconds: 1 },
    ]);
    worker.apply();
    expect(worker.sent()).toHaveLength(1);
    expect(worker.drops(1, "policy-deny")).toBe(2);
    worker.poll();
    expect(worker.framesOut).toBe(0);
  });

  test("is not asked for again by packets that come late: what the kernel has then decides them", () => {
    for (const action of ["allow", "deny"] as const) {
      ready();
      worker.receive(frame(7), { generation: 5 });
      worker.receive(frame(7, [2]), { generation: 5, ...FOLLOWER });
      worker.poll();
      worker.verdict(worker.takeEvents()[0]?.ticket ?? 0, action);
      worker.poll();
      worker.apply();
      worker.sent();
      worker.receive(frame(7, [3]), { generation: 5, ...FOLLOWER });
      worker.poll();
      expect(worker.sent()).toMatchObject([{ action: InjectActionValue.received, packet: frame(7, [3]) }]);
      expect(worker.takeEvents().filter(({ kind }) => kind === ASK)).toEqual([]);
      expect(worker.decisions()).toEqual([]);
      // The kernel lets out three for each hold entry: what names it beyond them is a flow of its own.
      worker.receive(frame(7, [4]), { generation: 5 });
      worker.poll();
      expect(worker.takeEvents().filter(({ kind }) => kind === ASK)).toHaveLength(1);
      expect(worker.counter("asked")).toBe(2);
    }
  });

  test("that gets no verdict in time is decided by `otherwise`", () => {
    for (const otherwise of ["deny", "allow"] as const) {
      ready({ otherwise });
      worker.receive(frame(1));
      worker.poll();
      expect(worker.nextDeadlineMs).toBe(100);
      worker.advance(99);
      worker.poll();
      expect(worker.decisions()).toEqual([]);
      worker.advance(1);
      worker.poll();
      expect(worker.decisions()[0]?.action).toBe(FlowActionValue[otherwise === "allow" ? "forward" : "drop"]);
      worker.apply();
      expect(worker.sent()).toHaveLength(otherwise === "allow" ? 1 : 0);
      expect(worker.drops(1, "hold-timeout")).toBe(otherwise === "allow" ? 0 : 1);
      expect(worker.counter("timeouts")).toBe(1);
      expect(worker.nextDeadlineMs).toBe(Number.POSITIVE_INFINITY);
      worker.poll();
      expect(worker.framesOut).toBe(0);
    }
  });

  test("ignores a second verdict, a late one and one for a ticket that never was", () => {
    worker.receive(frame(1));
    worker.poll();
    const ticket = worker.takeEvents()[0]?.ticket ?? 0;
    worker.verdict(ticket, "allow");
    worker.verdict(ticket, "deny");
    worker.verdict(0, "deny");
    worker.verdict(12345, "deny");
    worker.poll();
    expect(worker.decisions()).toHaveLength(1);
    worker.apply();
    worker.receive(frame(2), { generation: 2 });
    worker.poll();
    worker.verdict(ticket, "deny");
    worker.poll();
    expect(worker.decisions()).toEqual([]);
  });

  test("without a handler `otherwise` decides at once", () => {
    ready({ asking: false, otherwise: "allow" });
    worker.receive(frame(1));
    worker.poll();
    expect(worker.decisions()[0]?.action).toBe(FlowActionValue.forward);
  });

  test("of which too many wait is dropped and counted, and not decided", () => {
    ready({ holdLimit: 4 });
    for (let i = 0; i < 6; i++) worker.receive(frame(i), { generation: i + 1 });
    worker.poll();
    expect(worker.control("holdCount")).toBe(4);
    expect(worker.drops(1, "hold-limit")).toBe(2);
    worker.advance(100);
    worker.poll();
    expect(worker.decisions()).toHaveLength(4);
    worker.apply();
    expect(worker.control("holdCount")).toBe(0);
    worker.poll();
    expect(worker.framesOut).toBe(0);
  });

  test("waits among many, and each verdict finds its own", () => {
    ready({ holdLimit: 600 });
    const tickets = new Map<number, number>();
    for (let round = 0; round < 8; round++) {
      for (let i = 0; i < 60; i++) worker.receive(frame(round * 60 + i), { generation: 1 + round * 60 + i });
      worker.poll();
      for (const event of worker.takeEvents()) tickets.set(event.sourcePort, event.ticket);
    }
    expect(new Set(tickets.values()).size).toBe(480);
    const order = [...tickets.keys()].sort((a, b) => ((a * 7919) % 480) - ((b * 7919) % 480));
    for (const port of order) {
      worker.verdict(tickets.get(port) ?? 0, "allow");
      worker.poll();
      expect(worker.decisions()[0]).toMatchObject({ sourcePort: port, generation: port + 1 });
      worker.apply();
      expect(worker.sent()).toHaveLength(1);
    }
    worker.poll();
    expect(worker.control("holdCount")).toBe(0);
    expect(worker.framesOut).toBe(0);
  });
});

describe("packets for handlers", () => {
  test("are lent until they are released, a limited number at a time", () => {
    worker.setControl("trapHandlers", 1 << 4);
    for (let i = 0; i < 6; i++) worker.receive(frame(i), { reason: "dhcp" });
    worker.poll();
    const events = worker.takeEvents();
    const lent = events.filter(({ kind }) => kind === PACKET);
    expect(lent).toHaveLength(4);
    expect(worker.drops(1, "trap-full")).toBe(2);
    for (const { frame } of lent) worker.release(frame);
    worker.poll();
    expect(worker.control("lentCount")).toBe(0);
    expect(worker.framesOut).toBe(0);
  });

  test("that nobody takes are a counted drop", () => {
    worker.receive(frame(1), { reason: "bfd", interface: 3 });
    worker.poll();
    expect(worker.drops(3, "unhandled-trap")).toBe(1);
    expect(worker.counter("unhandled")).toBe(1);
    expect(worker.framesOut).toBe(0);
  });

  test("may take the place of the slow path's own answers", () => {
    worker.setControl("trapHandlers", 1 << 6);
    worker.receive(frame(1), { reason: "ttl-expired" });
    worker.poll();
    expect(worker.sent()).toEqual([]);
    expect(worker.takeEvents()[0]?.kind).toBe(PACKET);
  });
});

test("the main thread's frames are sent as copies", () => {
  const data = frame(9);
  worker.worker.bytes.set(data, worker.layout.inject);
  worker.commands.push((at) => {
    const { view } = worker.worker;
    commandCodec.kind.set(view, at, CommandKindValue.inject);
    commandCodec.frame.set(view, at, worker.layout.inject);
    commandCodec.length.set(view, at, data.length);
    commandCodec.injectAction.set(view, at, InjectActionValue.route);
    commandCodec.vrf.set(view, at, 4);
  });
  worker.poll();
  expect(worker.sent()).toEqual([{ action: InjectActionValue.route, interface: 0, vrf: 4, packet: data }]);
});
