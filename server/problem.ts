// SPDX-License-Identifier: Apache-2.0
/** Errors on the wire: RFC 9457 problem documents. */

import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { WeirError } from "../sdk/errors.ts";

/** Media type of a problem document (RFC 9457 §3). */
export const PROBLEM_TYPE = "application/problem+json";

/** A problem document. `type` is `about:blank`: the status says the kind, `code` the cause. */
export interface Problem {
  readonly type: "about:blank";
  /** The phrase of the status. */
  readonly title: string;
  readonly status: number;
  /** One line for people: what could not be done, why, and what to do. */
  readonly detail: string;
  /** Stable name of the cause for programs: `EEXIST`, `EINVALIDSTATE`. */
  readonly code?: string;
  /** The field of the request body at fault, as a JSON pointer (RFC 6901): `/routes/3/via`. */
  readonly field?: string;
}

/** Thrown by a route to answer with a problem document. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly status: ContentfulStatusCode;
  readonly code: string | undefined;
  readonly field: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: ContentfulStatusCode,
    detail: string,
    o: { readonly code?: string; readonly field?: string; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(detail);
    this.status = status;
    this.code = o.code;
    this.field = o.field;
    this.headers = o.headers ?? {};
  }
}

/** Phrases of the statuses that the façade answers with (RFC 9110 §15). */
const titles: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  412: "Precondition Failed",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
  507: "Insufficient Storage",
};

/**
 * HTTP status of the SDK's error codes. A code that is not listed is the client's fault (422) when the error
 * names a field of the document, and the server's (500) otherwise.
 */
const statuses: Readonly<Record<string, ContentfulStatusCode>> = {
  EINVAL: 400,
  ENOENT: 404,
  EEXIST: 409,
  EBUSY: 409,
  EREFERENCED: 409,
  EREVISION: 412,
  ETABLEFULL: 507,
  ENOSPC: 507,
  E2BIG: 507,
  ENOTSUPPORTED: 501,
  ECLOSED: 503,
};

function statusOf(error: WeirError): ContentfulStatusCode {
  const status = statuses[error.code];
  // A missing device or a duplicate name inside a document is a wrong document, not a wrong path.
  if (error.field !== undefined && (status === undefined || status === 404)) return 422;
  return status ?? 500;
}

function problem(status: number, detail: string, code?: string, field?: string): Problem {
  return {
    type: "about:blank",
    title: titles[status] ?? "Error",
    status,
    detail,
    ...(code === undefined ? {} : { code }),
    ...(field === undefined ? {} : { field }),
  };
}

function respond(c: Context, body: Problem, headers: Readonly<Record<string, string>> = {}): Response {
  return c.body(JSON.stringify(body), body.status as ContentfulStatusCode, {
    ...headers,
    "content-type": PROBLEM_TYPE,
  });
}

/** Answers `error` as a problem document. The app's `onError`. */
export function problemOf(error: unknown, c: Context): Response {
  if (error instanceof ProblemError) {
    return respond(c, problem(error.status, error.message, error.code, error.field), error.headers);
  }
  if (error instanceof WeirError) {
    return respond(c, problem(statusOf(error), error.message, error.code, error.field));
  }
  if (error instanceof HTTPException) {
    return respond(c, problem(error.status, error.message === "" ? "Cannot serve the request" : error.message));
  }
  const reason = error instanceof Error ? error.message : String(error);
  return respond(c, problem(500, `Cannot ${c.req.method} ${c.req.path}: ${reason}`, "EINTERNAL"));
}

/** Answers a path that no route has. The app's `notFound`. */
export function notFound(c: Context): Response {
  return respond(
    c,
    problem(404, `Cannot ${c.req.method} ${c.req.path}: no such resource; GET /openapi.json lists them`),
  );
}
