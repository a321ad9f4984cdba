// SPDX-License-Identifier: Apache-2.0
/** Kinds whose objects are a VRF's: `/v1/vrfs/{vrf}/KIND` has those of a VRF, `/v1/KIND` those of all VRFs. */

import { type Context, Hono } from "hono";
import type { StateObject } from "../dataplane.ts";
import { describe, listOf, query } from "../describe.ts";
import type { Facade, FacadeEnv } from "../facade.ts";
import { type Kind, kindOf } from "../kinds.ts";
import { page } from "../paging.ts";
import { setRevision } from "../revision.ts";
import { inVrfQuery, pageQuery, readSchema } from "../schemas.ts";
import { existing, objectRoutes, tableOf } from "./object.ts";

/** The kinds, and what their objects are called. */
const NAMES = {
  routes: { one: "the route", many: "The routes" },
  fdb: { one: "the bridge entry", many: "The bridge entries" },
} as const;

/** All routes of a kind with a key of a VRF and something else. */
export function resourceInVrf(facade: Facade, plural: keyof typeof NAMES) {
  const kind = kindOf(plural);
  const [, field = ""] = kind.key;
  const schema = readSchema(plural);
  const tag = kind.plural;
  const { one, many } = NAMES[plural];
  /** The rest of the key comes percent-encoded (`10.0.0.0%2F8`) or as it is. */
  const path = `/v1/vrfs/:vrf/${plural}/:${field}{.+}` as const;
  const keyIn = (c: Context): StateObject => ({ vrf: c.req.param("vrf"), [field]: c.req.param(field) });
  return new Hono<FacadeEnv>()
    .get(
      `/v1/${plural}` as const,
      describe({ summary: `${many} of all VRFs`, tag, answer: listOf(schema), problems: [400, 503] }),
      query(inVrfQuery),
      (c) => list(c, facade, kind, c.req.query("vrf")),
    )
    .get(
      `/v1/vrfs/:vrf/${plural}` as const,
      describe({ summary: `${many} of a VRF`, tag, answer: listOf(schema), problems: [400, 404, 503] }),
      query(pageQuery),
      (c) => {
        existing(facade, kindOf("vrfs"), { name: c.req.param("vrf") });
        return list(c, facade, kind, c.req.param("vrf"));
      },
    )
    .route("/", objectRoutes(facade, { plural, one, path, keyIn }));
}

async function list(c: Context, facade: Facade, kind: Kind, vrf: string | undefined): Promise<Response> {
  setRevision(c, facade.dataPlane.revision);
  return c.json(page(c, ofVrf(tableOf(facade, kind).entries(), vrf)));
}

function* ofVrf(entries: Iterable<StateObject>, vrf: string | undefined) {
  for (const entry of entries) {
    const { vrf: own } = entry;
    if (vrf === undefined || own === vrf) yield entry;
  }
}
