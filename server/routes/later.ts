// SPDX-License-Identifier: Apache-2.0
/** What the contract names and this version does not have: refused by name, so that nobody takes it for a typing error. */

import { Hono } from "hono";
import type { Facade, FacadeEnv } from "../facade.ts";
import { kinds } from "../kinds.ts";
import { ProblemError } from "../problem.ts";

/** Paths of contract §4 that have no route file yet, with the method where another one has. */
const paths: readonly (readonly [method: string, path: string])[] = [
  ...kinds.filter((kind) => !kind.available).map(({ plural }) => ["ALL", `/v1/${plural}/*`] as const),
  ["POST", "/v1/flows"],
  ["GET", "/v1/capture"],
  ["GET", "/metrics"],
  ["GET", "/docs"],
  ["GET", "/"],
];

const methodsOf = (method: string): string[] =>
  method === "ALL" ? ["GET", "PUT", "POST", "PATCH", "DELETE"] : [method];

export function later(_facade: Facade) {
  const app = new Hono<FacadeEnv>();
  for (const [method, path] of paths) {
    app.on(methodsOf(method), path, (c) => {
      throw new ProblemError(501, `Cannot ${c.req.method} ${c.req.path}: this version of weir does not have it yet`, {
        code: "ENOTSUPPORTED",
      });
    });
  }
  return app;
}
