// SPDX-License-Identifier: Apache-2.0
/** `/v1/flows`: the kernel's flow table, one entry per direction. */

import { Hono } from "hono";
import type { FlowSelector } from "../dataplane.ts";
import { describe, listOf, query } from "../describe.ts";
import type { Facade, FacadeEnv } from "../facade.ts";
import { jsonArrayStream } from "../json-stream.ts";
import { flowQuery, flowSchema } from "../schemas.ts";
import { type Static, Type } from "../typebox.ts";

const tag = "flows";
const deletedSchema = Type.Object({ deleted: Type.Integer({ description: "Entries removed." }) });

export function flows(facade: Facade) {
  return new Hono<FacadeEnv>()
    .get(
      "/v1/flows",
      describe({ summary: "Flows that match the query", tag, answer: listOf(flowSchema), problems: [400, 422, 503] }),
      query(flowQuery),
      (c) => {
        const entries = facade.dataPlane.flows.entries(selectorOf(c.req.valid("query")));
        return c.body(jsonArrayStream(entries), 200, { "content-type": "application/json" });
      },
    )
    .delete(
      "/v1/flows",
      describe({
        summary: "Delete flows that match the query (all without one); their next packets are decided anew",
        tag,
        answer: deletedSchema,
        problems: [400, 422, 503],
      }),
      query(flowQuery),
      (c) => c.json({ deleted: facade.dataPlane.flows.delete(selectorOf(c.req.valid("query"))) }),
    );
}

function selectorOf(query: Static<typeof flowQuery>): FlowSelector {
  const { sport, dport, ...rest } = query;
  return {
    ...rest,
    ...(sport === undefined ? {} : { sport: Number(sport) }),
    ...(dport === undefined ? {} : { dport: Number(dport) }),
  };
}
