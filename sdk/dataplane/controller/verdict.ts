// SPDX-License-Identifier: Apache-2.0
/** What a controller decides about a flow that policy leaves to it. */
import type { AskedFlow, AskVerdict } from "../../slowpath/index.ts";
import type { FlowLookup } from "../flows/decider.ts";
import { type FlowTreatment, treatmentOf } from "../flows/treatment.ts";

/** What a controller decides about a flow. Its `mirror` is, where none is named, that of the policy's rules. */
export interface Verdict extends FlowTreatment {
  /**
   * forward: both directions. nat: forward, and `translate` says as what. drop: silently. reject: the sender is told
   * (TCP RST, else ICMP).
   */
  readonly action: "forward" | "drop" | "reject" | "nat";
  /** VRF in which the (translated) destination is looked up. Default: the flow's. */
  readonly vrf?: string | undefined;
  /** True: an event `log`, as of a rule with `log`. Default false. */
  readonly log?: boolean | undefined;
}

const OPERATION = "decide a flow";
const ACTIONS = ["forward", "drop", "reject", "nat"];

/**
 * A verdict in numbers.
 * @throws WeirError `EINVAL`
 */
export function askVerdictOf(lookup: FlowLookup, flow: AskedFlow, verdict: Verdict): AskVerdict {
  const { action, vrf, log } = verdict;
  const how = { actions: ACTIONS, vrf, operation: OPERATION };
  const { becomes, forward, reverse, mirror, reverseMirror, idleSeconds, single } = treatmentOf(
    lookup,
    flow.key,
    verdict,
    how,
  );
  return {
    action: action === "nat" ? "forward" : action,
    becomes,
    way: forward,
    reverseNexthop: reverse?.nexthop,
    mirror,
    reverseMirror,
    idleSeconds,
    single,
    log,
  };
}
