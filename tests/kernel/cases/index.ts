// SPDX-License-Identifier: Apache-2.0
/** All packet cases. */

import { answers } from "./answers.ts";
import { fabric } from "./arrivals.ts";
import { bridging } from "./bridging.ts";
import { congestion } from "./congestion.ts";
import { decapsulation } from "./decapsulation.ts";
import { encapsulation } from "./encapsulation.ts";
import { groups } from "./groups.ts";
import { nat } from "./nat.ts";
import type { Topic } from "./packet_case.ts";
import { policy } from "./policy.ts";
import { related } from "./related.ts";
import { routing } from "./routing.ts";
import { senders } from "./senders.ts";
import { vlanTags } from "./vlans.ts";

export const topics: readonly Topic[] = [
  ...answers,
  ...routing,
  ...vlanTags,
  ...bridging,
  ...groups,
  ...policy,
  ...related,
  ...nat,
  ...senders,
  ...encapsulation,
  ...decapsulation,
  ...congestion,
  ...fabric,
];
