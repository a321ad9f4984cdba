// SPDX-License-Identifier: Apache-2.0
import type { Trace, TraceStep } from "./types.ts";

/** What the steps come to: what was sent counts, then what policy said, then where the packet ended. */
export function verdictOf(steps: readonly TraceStep[]): Pick<Trace, "verdict" | "reason"> {
  const find = <S extends TraceStep["stage"]>(...stages: readonly S[]) =>
    steps.find((step): step is Extract<TraceStep, { stage: S }> => (stages as readonly string[]).includes(step.stage));
  if (find("output", "copy") !== undefined) return { verdict: find("answer") === undefined ? "forward" : "answer" };
  if (find("host") !== undefined) return { verdict: "host" };
  // Of several the first: what is dropped may besides be answered by the slow path.
  const dropped = find("drop");
  if (dropped !== undefined) return { verdict: "drop", reason: dropped.reason };
  const trapped = find("trap");
  if (trapped !== undefined) return { verdict: "trap", reason: trapped.reason };
  const policy = find("policy");
  if (policy?.action === "ask") return { verdict: "ask", reason: "flow-miss" };
  if (policy?.action === "reject") return { verdict: "reject", reason: "policy-deny" };
  if (policy?.action === "deny") return { verdict: "drop", reason: "policy-deny" };
  // No policy yet for its interface: it waits until the hold is over.
  if (policy?.action === "none") return { verdict: "drop", reason: "hold-timeout" };
  return { verdict: "drop" };
}
