// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { policerOf } from "../reconcile/records_of.ts";
import { apply, refusal } from "../testing/desired.ts";
import { DesiredState } from "./desired.ts";

const base = {
  vrfs: [{ name: "red" }],
  qos: [{ name: "voice", dscp: { 46: 5 }, exp: { 5: 5 }, pcp: { 5: 5 } }],
  interfaces: [
    { name: "h0", role: "workload", vrf: "red", qos: "voice" },
    { name: "f0", role: "fabric", qos: "voice", police: { ingress: { bitsPerSecond: 1e9, burstBytes: 250_000 } } },
  ],
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
