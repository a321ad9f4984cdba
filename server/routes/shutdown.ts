// SPDX-License-Identifier: Apache-2.0
/** `/v1/shutdown`: ends the process as SIGTERM does; the kernel forwards on. `weir down` begins with it. */

import { Hono } from "hono";
import { describe } from "../describe.ts";
import type { Facade, FacadeEnv } from "../facade.ts";
import { ProblemError } from "../problem.ts";

export function shutdown(facade: Facade) {
  return new Hono<FacadeEnv>().post(
    "/v1/shutdown",
    describe({ summary: "End the process (unix socket only)", tag: "process", status: 202, problems: [403] }),
    (c) => {
      if (!c.env.local) {
        throw new ProblemError(403, "Cannot shut down by TCP: use the unix socket", { code: "EACCES" });
      }
      facade.shutdown();
      return c.json({ pid: process.pid }, 202);
    },
  );
}
