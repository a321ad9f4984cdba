// SPDX-License-Identifier: Apache-2.0
/** Copies that policy rules and verdicts ask for: each packet is copied once, wherever it ends. */

import { beforeEach, describe, expect, test } from "bun:test";
import {
  FlowActionValue,
  INJECT_FLAG_MIRRORED,
  InjectActionValue,
  TRAP_FLAG_HOLD_OWNER,
  TRAP_FLAG_MIRRORED,
} from "../../sdk/layout/index.ts";
import { compilePolicy, type PolicyInput } from "../../sdk/slowpath/index.ts";
import { FakeWorker, ROOM } from "./harness.ts";
import { packet, tcp, udp } from "./packets.ts";

const FLOW = { source: "10.97.0.1", destination: "10.97.0.2" };
const MIRRORS = new Map([
  ["tap", 7],
  ["other", 9],
]);
const frame = (data: readonly number[] = []) => packet({ ...FLOW, protocol: 17, payload: udp(7, 53, data) });
const FOLLOWER = { flags: 0 };

let worker: FakeWorker;

/** What interface 1 sends is under the policy. */
function protect(policy: Omit<PolicyInput, "name">): void {
  worker.setPolicy(compilePolicy({ revision: 1, sets: [[{ name: "p", ...policy }]], mirrors: MIRRORS }));
  worker.setInterface(1, 1);
}

beforeEach(() => {
  worker = new FakeWorker();
});

test("an allowed flow is decided with its rule's mirror, and its packets go on to be copied by the kernel", () => {
  protect({ rules: [{ action: "allow", mirror: "tap" }] });
  worker.receive(frame());
  worker.receive(frame([1]), FOLLOWER);
  worker.poll();
  expect(worker.decisions()).toMatchObject([{ action: FlowActionValue.forward, mirror: 7 }]);
  worker.apply();
  expect(worker.sent()).toMatchObject([
    { action: InjectActionValue.received, packet: frame() },
    { action: InjectActionValue.received, packet: frame([1]) },
  ]);
});

test("a rule without one asks for no copies", () => {
  protect({ rules: [{ action: "allow" }] });
  worker.receive(frame());
  worker.poll();
  expect(worker.decisions()).toMatchObject([{ mirror: 0 }]);
});

test("the first rule that matches and has a mirror counts, also one that goes on", () => {
  protect({
    rules: [
      { action: "log", proto: "tcp", mirror: "other" },
      { action: "log", mirror: "tap" },
      { action: "allow", mirror: "other" },
    ],
  });
  worker.receive(frame());
  worker.poll();
  expect(worker.decisions()).toMatchObject([{ action: FlowActionValue.forward, mirror: 7 }]);
});

test("packets of a denied flow become the copies themselves, and are one drop each", () => {
  protect({ rules: [{ action: "deny", mirror: "tap" }] });
  worker.receive(frame());
  worker.receive(frame([1]), FOLLOWER);
  worker.poll();
  expect(worker.decisions()).toMatchObject([{ action: FlowActionValue.drop, mirror: 7 }]);
  expect(worker.sent()).toMatchObject([
    { action: InjectActionValue.mirror, mirror: 7, interface: 1, packet: frame() },
    { action: InjectActionValue.mirror, mirror: 7, interface: 1, packet: frame([1]) },
  ]);
  expect(worker.drops(1, "policy-deny")).toBe(2);
  worker.apply();
  worker.poll();
  expect(worker.framesOut).toBe(0);
});

test.each([20, ROOM + 500])("a rejected packet with %d bytes of data is copied, and answered", (bytes) => {
  protect({ rules: [{ action: "reject", mirror: "tap" }] });
  const data = Array.from({ length: bytes }, (_, i) => i & 255);
  const syn = packet({ ...FLOW, protocol: 6, payload: tcp(1000, 80, { flags: 2, data }) });
  worker.receive(syn);
  worker.poll();
  const [copy, answer] = worker.sent();
  expect(copy).toMatchObject({ action: InjectActionValue.mirror, mirror: 7, interface: 1, packet: syn });
  expect(answer?.action).not.toBe(InjectActionValue.mirror);
  expect(worker.drops(1, "mirror")).toBe(0);
  worker.apply();
  worker.poll();
  expect(worker.framesOut).toBe(0);
});

describe("an asked flow", () => {
  const ask = (rule: { mirror?: string }, verdict: { mirror?: number }, action: "allow" | "deny" = "allow") => {
    protect({ rules: [{ action: "ask", ...rule }] });
    worker.setControl("asking", 1);
    worker.setControl("askTimeoutMs", 100);
    worker.receive(frame());
    worker.poll();
    const [event] = worker.takeEvents();
    worker.verdict(event?.ticket ?? 0, action, verdict);
    worker.poll();
    return worker.decisions();
  };

  test("has the verdict's mirror, else its rule's", () => {
    expect(ask({ mirror: "tap" }, { mirror: 9 })).toMatchObject([{ mirror: 9 }]);
    worker = new FakeWorker();
    expect(ask({ mirror: "tap" }, {})).toMatchObject([{ mirror: 7 }]);
    worker = new FakeWorker();
    expect(ask({}, {})).toMatchObject([{ mirror: 0 }]);
  });

  test("is copied where it is denied", () => {
    ask({}, { mirror: 9 }, "deny");
    expect(worker.sent()).toMatchObject([{ action: InjectActionValue.mirror, mirror: 9, packet: frame() }]);
  });
});

test("a packet whose copy has been made goes on with the note of that", () => {
  protect({ default: "allow" });
  worker.receive(frame(), { flags: TRAP_FLAG_HOLD_OWNER | TRAP_FLAG_MIRRORED });
  worker.poll();
  worker.apply();
  expect(worker.sent()).toMatchObject([{ action: InjectActionValue.received, flags: INJECT_FLAG_MIRRORED }]);
});

test("a rule that names a mirror which is not there is refused", () => {
  expect(() => protect({ rules: [{ action: "allow", mirror: "gone" }] })).toThrow('there is no mirror "gone"');
});
