// SPDX-License-Identifier: Apache-2.0
/** A handler of asked flows that forwards all, in whatever thread it is. */

import type { FlowMiss } from "../../../sdk/index.ts";

const FORWARD = { action: "forward" } as const;

export function onFlowMiss(misses: readonly FlowMiss[]): void {
  for (const miss of misses) miss.decide(FORWARD);
}
