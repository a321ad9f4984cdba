// SPDX-License-Identifier: Apache-2.0
/** A short round of random packets; `npm run test:fuzz` runs a long one. */

import { afterAll, beforeAll, expect, test } from "bun:test";
import { runCampaign } from "./fuzz/campaign.ts";
import { Stage } from "./fuzz/stage.ts";
import { hooks } from "./pipeline_harness.ts";
import { SCAPY_TIMEOUT_MS } from "./scapy.ts";

const PACKETS = 100_000;
const TIMEOUT_MS = 180_000;

let stage: Stage;

beforeAll(() => {
  stage = new Stage();
}, SCAPY_TIMEOUT_MS);
afterAll(() => stage?.[Symbol.dispose]());

test.each(hooks)(
  `${PACKETS} random packets on the %s hook are each accounted for`,
  (hook) => {
    const seed = Date.now();
    console.log(`seed ${seed}`);
    expect(runCampaign(stage, [hook], { seed, packets: PACKETS })).toEqual([]);
  },
  TIMEOUT_MS,
);
