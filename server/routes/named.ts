// SPDX-License-Identifier: Apache-2.0
/** The routes of a kind whose objects have a name or a number. */

import { type Context, Hono } from "hono";
import type { StateObject } from "../dataplane.ts";
import { describe, listOf, query } from "../describe.ts";
import type { Facade, FacadeEnv } from "../facade.ts";
import { kindOf } from "../kinds.ts";
import { page } from "../paging.ts";
import { setRevision } from "../revision.ts";
import { pageQuery, readSchema } from "../schemas.ts";
import { objectRoutes, tableOf } from "./object.ts";

/** Kinds with a key of one field. */
type NamedKind = "vrfs" | "interfaces" | "nexthops" | "labels" | "vnis" | "policies" | "sets" | "mirrors" | "qos";

/** Key fields that are numbers. */
const NUMBERS: ReadonlySet<string> = new Set(["label", "vni"]);

/** Mounted on `/v1/KIND`. */
export function namedResource(facade: Facade, plural: NamedKind) {
  const kind = kindOf(plural);
  const [field = "name"] = kind.key;
  /** What is no number is left to the schema, which says what it expects. */
  const keyIn = (c: Context): StateObject => {
    const text = c.req.param("name") ?? "";
    return { [field]: NUMBERS.has(field) && /^\d{1,10}$/.test(text) ? Number(text) : text };
  };
  const answer = listOf(readSchema(plural));
  return new Hono<FacadeEnv>()
    .get(
      "/",
      describe({ summary: `All ${kind.plural}`, tag: kind.plural, answer, problems: [400, 503] }),
      query(pageQuery),
      async (c) => {
        setRevision(c, facade.dataPlane.revision);
        return c.json(page(c, tableOf(facade, kind).entries()));
      },
    )
    .route("/", objectRoutes(facade, { plural, one: `the ${kind.singular}`, path: "/:name", keyIn }));
}
