// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { WeirError } from "../errors.ts";
import { describeChanges } from "./change.ts";
import { checkChanges } from "./check.ts";
import { DesiredState } from "./desired.ts";
import { policerOf } from "./records_of.ts";
import { Staging } from "./staging.ts";

const base = {
  vrfs: [{ name: "red" }],
  qos: [{ name: "voice", dscp: { 46: 5 }, exp: { 5: 5 }, pcp: { 5: 5 } }],
  interfaces: [
    { name: "h0", role: "workload", vrf: "red", qos: "voice" },
    { name: "f0", role: "fabric", qos: "voice", police: { ingress: { bitsPerSecond: 1e9, burstBytes: 250_000 } } },
  ],
};

function apply(state: DesiredState, what: unknown): string[] {
  state.begin();
  try {
    const locate = Staging.ofState(what, "state").bringInto(state);
    const changes = state.changes();
    checkChanges(state, changes, locate);
    state.keep();
    return describeChanges(changes).map(({ text }) => text);
  } catch (error) {
    state.rollBack();
    throw error;
  }
}

const refusal = (state: DesiredState, what: unknown): string => {
  try {
    apply(state, what);
  } catch (error) {
    if (error instanceof WeirError) return error.message;
    throw error;
  }
  throw new Error("The state was accepted");
};

describe("a QoS map", () => {
  test("may be named by interfaces of either role", () => {
    expect(apply(new DesiredState(), base)).toContain("+ qos voice");
  });

  test("that an interface names must be there", () => {
    expect(refusal(new DesiredState(), { ...base, qos: [] })).toContain(
      '/interfaces/0/qos names "voice", which is no QoS map',
    );
  });

  test("goes only after the interfaces that name it", () => {
    const state = new DesiredState();
    apply(state, base);
    const rest = { ...base, qos: [], interfaces: [base.interfaces[1]] };
    expect(refusal(state, rest)).toContain('QoS map "voice" is still used by interface "f0"');
    expect(apply(state, { ...base, qos: [], interfaces: [] })).toContain("- qos voice");
  });
});

test("ingress is towards workloads: out of theirs, in by the fabric's", () => {
  const ingress = { bitsPerSecond: 1000, burstBytes: 1 };
  const egress = { bitsPerSecond: 2000, burstBytes: 2 };
  const police = { ingress, egress };
  const workload = { name: "h0", role: "workload" as const, police };
  const fabric = { name: "f0", role: "fabric" as const, police };
  expect([policerOf(workload, "sent"), policerOf(workload, "received")]).toEqual([ingress, egress]);
  expect([policerOf(fabric, "received"), policerOf(fabric, "sent")]).toEqual([ingress, egress]);
  expect(policerOf({ name: "h0", role: "workload" }, "sent")).toBeUndefined();
});
