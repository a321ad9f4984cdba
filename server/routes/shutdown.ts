// SPDX-License-Identifier: Apache-2.0
/**
 * `/v1/shutdown`: ends the process as SIGTERM does, and the kernel forwards on; with `destroy=true` everything is
 * taken away first, as `weir down` wants it.
 */

import { Hono } from "hono";
import { describe, query } from "../describe.ts";
import type { Facade, FacadeEnv } from "../facade.ts";
import { ProblemError } from "../problem.ts";
import { Type } from "../typebox.ts";

const endingSchema = Type.Object({ pid: Type.Integer({ description: "Process that ends." }) });

const shutdownQuery = Type.Object({
  destroy: Type.Optional(
    Type.Union([Type.Literal("true"), Type.Literal("false")], {
      description: "Detach and remove everything, the state too. Default: false, the kernel forwards on.",
    }),
  ),
});

export function shutdown(facade: Facade) {
  return new Hono<FacadeEnv>().post(
    "/v1/shutdown",
    describe({
      summary: "End the process (unix socket only)",
      tag: "process",
      status: 202,
      answer: endingSchema,
      problems: [400, 403],
    }),
    query(shutdownQuery),
    (c) => {
      if (!c.env.local) {
        throw new ProblemError(403, "Cannot shut down by TCP: use the unix socket", { code: "EACCES" });
      }
      facade.shutdown(c.req.valid("query").destroy === "true" ? "destroy" : "close");
      return c.json({ pid: process.pid }, 202);
    },
  );
}
