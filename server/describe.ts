// SPDX-License-Identifier: Apache-2.0
/** The pieces that every route's OpenAPI description and query validation is made of. */

import type { MiddlewareHandler } from "hono";
import { type DescribeRouteOptions, describeRoute, resolver, validator } from "hono-openapi";
import { PROBLEM_TYPE, ProblemError } from "./problem.ts";
import { standard } from "./standard.ts";
import { type Static, type TSchema, Type } from "./typebox.ts";

/** What a route says of itself. */
export interface RouteDescription {
  /** One line. */
  readonly summary: string;
  /** The resource: groups routes in the document. */
  readonly tag: string;
  /** Body of the request. */
  readonly body?: TSchema;
  /** Body of the good answer. */
  readonly answer?: TSchema;
  /** Its media type. Default application/json. */
  readonly media?: string;
  /** Status of the good answer. Default 200. */
  readonly status?: 200 | 201 | 202 | 204;
  /** Statuses of the problems that it can answer with. */
  readonly problems?: readonly number[];
}

const JSON_TYPE = "application/json";

const problemNames: Readonly<Record<number, string>> = {
  400: "Malformed request",
  401: "No valid bearer token (TCP listener only)",
  404: "No such object",
  409: "Other objects refer to it, or the name is taken",
  412: "The state is at another revision than If-Match says",
  422: "The document is wrong; `field` says where",
  503: "Not ready",
  507: "A table is full; `detail` names it",
};

/** Describes a route for `/openapi.json`. */
export function describe(d: RouteDescription): MiddlewareHandler {
  const status = String(d.status ?? 200);
  const good = {
    description: d.summary,
    ...(d.answer === undefined ? {} : { content: content(d.media ?? JSON_TYPE, d.answer) }),
  };
  const options: DescribeRouteOptions = {
    summary: d.summary,
    tags: [d.tag],
    responses: { [status]: good, ...Object.fromEntries((d.problems ?? []).map(problemEntry)) },
    ...(d.body === undefined ? {} : { requestBody: { required: true, content: content(JSON_TYPE, d.body) } }),
  };
  return describeRoute(options);
}

/** Validates the query; a parameter that is wrong or unknown is a 400 that names it. */
export function query<const S extends TSchema>(schema: S) {
  const closed = standard({ ...schema, additionalProperties: false });
  return validator("query", closed, (result) => {
    if (result.success) return;
    const issue = result.error[0];
    const name = issue?.path?.[0];
    throw new ProblemError(400, `Cannot read the query: ${String(name ?? "")}: ${issue?.message ?? "invalid"}`, {
      code: "EINVAL",
    });
  });
}

/** The type of a validated query. */
export type Query<S extends TSchema> = Static<S>;

/** An array of `schema`. */
export const listOf = (schema: TSchema): TSchema => Type.Array(schema);

function content(media: string, schema: TSchema) {
  return { [media]: { schema: resolver(standard(schema)) } };
}

function problemEntry(status: number) {
  const content = { [PROBLEM_TYPE]: { schema: { $ref: "#/components/schemas/Problem" } } };
  return [String(status), { description: problemNames[status] ?? "Problem", content }] as const;
}
