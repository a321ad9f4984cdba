// SPDX-License-Identifier: Apache-2.0
/** `npm run test:classifier` compares a million pairs, with other seeds. */

import { expect, test } from "bun:test";
import { compareRandomly } from "./comparison.ts";

test("the classifier agrees with a naive evaluation on 100 000 random pairs of a rule set and a packet", () => {
  expect(compareRandomly({ pairs: 100_000, seed: 1 })).toBeUndefined();
}, 60_000);
