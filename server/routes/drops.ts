// SPDX-License-Identifier: Apache-2.0
/** `/v1/drops`: packets dropped, by interface and reason. */

import { Hono } from "hono";
import { describe, listOf, query } from "../describe.ts";
import type { Facade, FacadeEnv } from "../facade.ts";
import { dropQuery, dropSchema } from "../schemas.ts";

export function drops(facade: Facade) {
  return new Hono<FacadeEnv>().get(
    "/v1/drops",
    describe({ summary: "Drop counters", tag: "drops", answer: listOf(dropSchema), problems: [400, 503] }),
    query(dropQuery),
    (c) => {
      const wanted = c.req.valid("query");
      const matches = (drop: { interface: string; reason: string }) =>
        (wanted.interface ?? drop.interface) === drop.interface && (wanted.reason ?? drop.reason) === drop.reason;
      return c.json(facade.dataPlane.drops().filter(matches));
    },
  );
}
