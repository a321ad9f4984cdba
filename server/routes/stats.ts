// SPDX-License-Identifier: Apache-2.0
/** `/v1/stats`: how full the tables are, and the counters of the slow path. */

import { Hono } from "hono";
import { describe } from "../describe.ts";
import type { Facade, FacadeEnv } from "../facade.ts";
import { usageSchema } from "../schemas.ts";

export function stats(facade: Facade) {
  return new Hono<FacadeEnv>().get(
    "/v1/stats",
    describe({ summary: "Use and limits of the tables", tag: "stats", answer: usageSchema, problems: [503] }),
    (c) => c.json(facade.dataPlane.usage()),
  );
}
