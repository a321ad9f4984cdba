// SPDX-License-Identifier: Apache-2.0
/** `/v1/vrfs/{vrf}/routes`: the routes of a VRF. `/v1/routes`: those of all VRFs. */

import { type Context, Hono } from "hono";
import type { StateObject } from "../dataplane.ts";
import { describe, listOf, query } from "../describe.ts";
import type { Facade, FacadeEnv } from "../facade.ts";
import { kindOf } from "../kinds.ts";
import { page } from "../paging.ts";
import { setRevision } from "../revision.ts";
import { ownerQuery, pageQuery, readSchema, routesQuery, writtenSchema } from "../schemas.ts";
import { deleteObject, existing, putObject, tableOf } from "./named.ts";

const kind = kindOf("routes");
const tag = kind.plural;
const schema = readSchema("routes");

/** The prefix comes percent-encoded (`10.0.0.0%2F8`) or with its slash. */
const ONE = "/v1/vrfs/:vrf/routes/:prefix{.+}";

const keyOfRoute = (c: Context): StateObject => ({ vrf: c.req.param("vrf"), prefix: c.req.param("prefix") });

export function routes(facade: Facade) {
  return new Hono<FacadeEnv>()
    .get(
      "/v1/routes",
      describe({ summary: "The routes of all VRFs", tag, answer: listOf(schema), problems: [400, 503] }),
      query(routesQuery),
      (c) => list(c, facade, c.req.query("vrf")),
    )
    .get(
      "/v1/vrfs/:vrf/routes",
      describe({ summary: "The routes of a VRF", tag, answer: listOf(schema), problems: [400, 404, 503] }),
      query(pageQuery),
      (c) => {
        existing(facade, kindOf("vrfs"), { name: c.req.param("vrf") });
        return list(c, facade, c.req.param("vrf"));
      },
    )
    .get(ONE, describe({ summary: "Get the route", tag, answer: schema, problems: [404, 503] }), (c) => {
      setRevision(c, facade.dataPlane.revision);
      return c.json(existing(facade, kind, keyOfRoute(c)));
    })
    .put(
      ONE,
      describe({
        summary: "Create or replace the route",
        tag,
        body: writtenSchema("routes"),
        answer: schema,
        problems: [400, 409, 412, 422, 503, 507],
      }),
      query(ownerQuery),
      (c) => putObject(c, facade, kind, keyOfRoute(c)),
    )
    .delete(
      ONE,
      describe({ summary: "Delete the route", tag, status: 204, problems: [404, 409, 412, 503] }),
      query(ownerQuery),
      (c) => deleteObject(c, facade, kind, keyOfRoute(c)),
    );
}

async function list(c: Context, facade: Facade, vrf: string | undefined): Promise<Response> {
  setRevision(c, facade.dataPlane.revision);
  return c.json(page(c, ofVrf(tableOf(facade, kind).entries(), vrf)));
}

function* ofVrf(entries: Iterable<StateObject>, vrf: string | undefined) {
  for (const entry of entries) {
    const { vrf: own } = entry;
    if (vrf === undefined || own === vrf) yield entry;
  }
}
