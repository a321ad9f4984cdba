// SPDX-License-Identifier: Apache-2.0
/** `/v1/stats`: how full the tables are, and the counters of the slow path. */

import { Hono } from "hono";
import { describe } from "../describe.ts";
import type { Facade, FacadeEnv } from "../facade.ts";
import { objectSchema } from "../schemas.ts";

export function stats(facade: Facade) {
  return new Hono<FacadeEnv>().get(
    "/v1/stats",
    describe({ summary: "Use and limits of the tables", tag: "stats", answer: objectSchema, problems: [503] }),
    async (c) => c.json((await facade.dataPlane.usage()) as Record<string, unknown>),
  );
}
