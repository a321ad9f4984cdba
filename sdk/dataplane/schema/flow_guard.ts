// SPDX-License-Identifier: Apache-2.0
/** How many flows the packets of an interface may make. */
import { CLOSED, integer } from "./common.ts";
import { type Static, Type } from "./typebox.ts";

const MOST_PER_SECOND = 10_000_000;
const MOST_AT_A_TIME = 16_777_216;

export const NewFlowsSchema = Type.Object(
  {
    ratePerSecond: Type.Optional(
      integer(
        1,
        MOST_PER_SECOND,
        "Flows a second, over all CPUs. Those of 10 ms, but 64 at least, may come at once. Default: no limit.",
      ),
    ),
    limit: Type.Optional(
      integer(1, MOST_AT_A_TIME, "Flows at a time, being decided, allowed or denied. Default: no limit."),
    ),
  },
  {
    ...CLOSED,
    description:
      "Limits of the flows that packets received by the interface make. A packet that would make one more is dropped (`flow-limit`); those of flows that are there pass.",
  },
);

/** Limits of the flows that an interface makes. */
export type NewFlows = Static<typeof NewFlowsSchema>;
