// SPDX-License-Identifier: Apache-2.0
/** Interfaces between which decided flows move when routes change. */
import { INTERFACE_POLICY, NEXTHOP_FLAG_POLICY } from "../../sdk/layout/generated.ts";
import type { Pipeline } from "./pipeline_harness.ts";
import { MAC_A, MAC_B } from "./pipeline_packets.ts";

/** Of the interfaces that packets may leave by instead of B's. */
export const MAC_C = "02:00:00:00:03:01";

/** 1 is A's and 2 is B's; of the others 3 has no policies, 4 has those of 2, and 5 has its own. */
export function addWays(pipeline: Pipeline): void {
  pipeline.clear();
  pipeline.controllerStarts();
  const policed = { flags: INTERFACE_POLICY, nexthopFlags: NEXTHOP_FLAG_POLICY };
  pipeline.addInterface(1, { ...policed, mac: MAC_A, policy: 1 });
  pipeline.addInterface(2, { ...policed, mac: MAC_B, policy: 2 });
  pipeline.addInterface(3, { mac: MAC_C });
  pipeline.addInterface(4, { ...policed, mac: MAC_C, policy: 2 });
  pipeline.addInterface(5, { ...policed, mac: MAC_C, policy: 3 });
}
