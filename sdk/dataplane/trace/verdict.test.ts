// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import type { TraceStep } from "./types.ts";
import { verdictOf } from "./verdict.ts";

const out: TraceStep = { stage: "output", interface: "va", device: "va" };
const drop = (reason: "no-route" | "redirect-failed"): TraceStep => ({ stage: "drop", reason });
const policy = (action: "allow" | "deny" | "reject" | "ask" | "none"): TraceStep => ({ stage: "policy", action });

test("what is sent is forwarded, though a copy of it were dropped", () => {
  expect(verdictOf([out])).toEqual({ verdict: "forward" });
  expect(verdictOf([{ stage: "copy", interface: "va", device: "va" }, drop("redirect-failed")])).toEqual({
    verdict: "forward",
  });
  expect(verdictOf([{ stage: "answer" }, out])).toEqual({ verdict: "answer" });
});

test("what the slow path answers is dropped all the same", () => {
  const trap: TraceStep = { stage: "trap", reason: "no-route" };
  expect(verdictOf([drop("no-route"), trap])).toEqual({ verdict: "drop", reason: "no-route" });
  expect(verdictOf([trap])).toEqual({ verdict: "trap", reason: "no-route" });
});

test("policy ends what it does not allow", () => {
  expect(verdictOf([policy("deny")])).toEqual({ verdict: "drop", reason: "policy-deny" });
  expect(verdictOf([policy("reject")])).toEqual({ verdict: "reject", reason: "policy-deny" });
  expect(verdictOf([policy("ask")])).toEqual({ verdict: "ask", reason: "flow-miss" });
  expect(verdictOf([policy("none")])).toEqual({ verdict: "drop", reason: "hold-timeout" });
  expect(verdictOf([policy("allow"), { stage: "host" }])).toEqual({ verdict: "host" });
});

test("a flood with nobody else in it is a drop without a reason", () => {
  expect(verdictOf([{ stage: "nexthop", nexthop: "all", type: "flood" }])).toEqual({ verdict: "drop" });
});
