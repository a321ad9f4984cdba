// SPDX-License-Identifier: Apache-2.0
/** Packets for whose flow the kernel's table has no room. */

import { beforeEach, describe, expect, test } from "bun:test";
import { INJECT_FLAG_ALLOWED, INTERFACE_FULL_FORWARD, TRAP_FLAG_STATELESS } from "../../sdk/layout/index.ts";
import { compilePolicy, type PolicyInput } from "../../sdk/slowpath/index.ts";
import { FakeWorker } from "./harness.ts";
import { packet, udp } from "./packets.ts";

const RECEIVED = 1;
const frame = (port = 53) =>
  packet({ source: "10.97.0.1", destination: "10.97.0.2", protocol: 17, payload: udp(1000, port) });
const ALONE = { flags: TRAP_FLAG_STATELESS, generation: 0 };

let worker: FakeWorker;

beforeEach(() => {
  worker = new FakeWorker();
  for (const id of [1, 2]) worker.setInterface(id, 0, { flags: INTERFACE_FULL_FORWARD });
});

/** Gives interface 2 a policy. */
function protect(policy: Omit<PolicyInput, "name">): void {
  worker.setPolicy(compilePolicy({ revision: 9, sets: [[{ name: "p", ...policy }]] }));
  worker.setInterface(2, 1, { flags: INTERFACE_FULL_FORWARD });
}

describe("a packet whose flow has no room", () => {
  test("goes on if policy allows it, without a decision for the kernel", () => {
    for (let i = 0; i < 3; i++) worker.receive(frame(), ALONE);
    worker.poll();
    expect(worker.decisions()).toEqual([]);
    const allowed = { action: RECEIVED, flags: INJECT_FLAG_ALLOWED, interface: 1, packet: frame() };
    expect(worker.sent()).toMatchObject([allowed, allowed, allowed]);
    worker.poll();
    expect(worker.framesOut).toBe(0);
  });

  test("is dropped if policy denies it, and decided anew each time", () => {
    protect({ default: "deny" });
    for (let i = 0; i < 2; i++) worker.receive(frame(), ALONE);
    worker.poll();
    expect(worker.sent()).toEqual([]);
    expect(worker.decisions()).toEqual([]);
    expect(worker.drops(1, "policy-deny")).toBe(2);
    expect(worker.framesOut).toBe(0);
  });

  test("is dropped where the controller would have to be asked: it waits for nobody", () => {
    protect({ default: "ask" });
    worker.setControl("asking", 1);
    worker.receive(frame(), ALONE);
    worker.poll();
    expect(worker.takeEvents().filter(({ kind }) => kind === 1)).toEqual([]);
    expect(worker.drops(1, "flow-table-full")).toBe(1);
    expect(worker.control("holdCount")).toBe(0);
    expect(worker.framesOut).toBe(0);
  });
});

describe("a decision that found no room in the kernel's table", () => {
  test("lets its packet through where the interface goes without state", () => {
    worker.receive(frame(), { generation: 7 });
    worker.poll();
    worker.apply("full");
    expect(worker.sent()).toMatchObject([{ action: RECEIVED, flags: INJECT_FLAG_ALLOWED, packet: frame() }]);
  });

  test("drops it elsewhere", () => {
    worker.setInterface(1, 0);
    worker.receive(frame(), { generation: 7 });
    worker.poll();
    worker.apply("full");
    expect(worker.sent()).toEqual([]);
    expect(worker.drops(1, "flow-table-full")).toBe(1);
  });
});

test("one interface leaves a fifth of the room for waiting packets to the others", () => {
  worker = new FakeWorker({ holdLimit: 100 });
  worker.setControl("asking", 1);
  worker.setControl("askTimeoutMs", 100);
  protect({ default: "ask" });
  const flood = (generation: number) => {
    for (let i = 0; i < 120; i++) {
      worker.receive(frame(i), { generation: generation + i });
      if (i % 40 === 39) worker.poll();
    }
  };
  flood(1);
  expect(worker.control("holdCount")).toBe(80);
  expect(worker.drops(1, "hold-limit")).toBe(40);
  for (let i = 0; i < 10; i++) worker.receive(frame(i), { generation: 1000 + i, interface: 3 });
  worker.poll();
  expect(worker.control("holdCount")).toBe(90);
  expect(worker.drops(3, "hold-limit")).toBe(0);
  worker.advance(101);
  worker.poll();
  worker.apply();
  expect(worker.control("holdCount")).toBe(0);
  flood(2000);
  expect(worker.control("holdCount")).toBe(80);
});
