// SPDX-License-Identifier: Apache-2.0
/** `/openapi.json`: the façade described by its own routes. */

import type { Hono } from "hono";
import { openAPIRouteHandler } from "hono-openapi";
import type { FacadeEnv } from "./facade.ts";
import { PROBLEM_TYPE } from "./problem.ts";
import { problemSchema } from "./schemas.ts";

/** What a wrong query is answered with, where a route says nothing of its own. */
const malformed = {
  description: "Malformed request",
  content: { [PROBLEM_TYPE]: { schema: { $ref: "#/components/schemas/Problem" } } },
};

/** Mounts the description of all routes that `app` has. */
export function mountOpenApi(app: Hono<FacadeEnv>, version: string): void {
  app.get(
    "/openapi.json",
    openAPIRouteHandler(app, {
      defaultValidationErrorResponse: malformed,
      documentation: {
        openapi: "3.1.0",
        info: {
          title: "Weir",
          version,
          description: "Control of a Weir data plane. Writes honour If-Match with the revision that ETag gives.",
        },
        components: {
          schemas: { Problem: JSON.parse(JSON.stringify(problemSchema)) },
          securitySchemes: { token: { type: "http", scheme: "bearer", description: "TCP listener only." } },
        },
      },
    }),
  );
}
