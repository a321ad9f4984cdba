// SPDX-License-Identifier: Apache-2.0
/** `/healthz`: the process answers. `/readyz`: the state is applied. */

import { Hono } from "hono";
import { describe } from "../describe.ts";
import type { Facade, FacadeEnv } from "../facade.ts";
import { ProblemError } from "../problem.ts";
import { setRevision } from "../revision.ts";
import { Type } from "../typebox.ts";

const healthSchema = Type.Object({
  status: Type.Literal("ok"),
  instance: Type.String({ description: "Name of the instance." }),
  version: Type.String({ description: "Version of weir." }),
  pid: Type.Integer({ description: "Process that serves." }),
});

const readySchema = Type.Object({
  status: Type.Literal("ready"),
  revision: Type.Integer({ description: "Revision of the state that is applied." }),
});

export function health(facade: Facade) {
  return new Hono<FacadeEnv>()
    .get("/healthz", describe({ summary: "The process is alive", tag: "health", answer: healthSchema }), (c) =>
      c.json({ status: "ok", instance: facade.instance, version: facade.version, pid: process.pid } as const),
    )
    .get(
      "/readyz",
      describe({ summary: "The state is applied", tag: "health", answer: readySchema, problems: [503] }),
      (c) => {
        if (!facade.ready) {
          throw new ProblemError(503, `Instance "${facade.instance}" has not applied its state yet`, {
            code: "ENOTREADY",
            headers: { "retry-after": "1" },
          });
        }
        const { revision } = facade.dataPlane;
        setRevision(c, revision);
        return c.json({ status: "ready", revision } as const);
      },
    );
}
