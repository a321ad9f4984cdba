// SPDX-License-Identifier: Apache-2.0
/** Who may do what: the unix socket's mode is its permission; TCP needs a bearer token (RFC 6750). */

import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { WeirError } from "../sdk/errors.ts";
import type { FacadeEnv } from "./facade.ts";
import { ProblemError } from "./problem.ts";

/** Tokens of the TCP listener, as digests. */
export interface Tokens {
  readonly read: readonly Buffer[];
  /** A writer may read too. */
  readonly write: readonly Buffer[];
}

/** Shortest token, in characters. */
const SHORTEST = 16;

/** Requests that need no token: a load balancer asks them. */
const open = new Set(["/healthz", "/readyz"]);

/** Requests that change nothing although they are POST. */
const safePosts = new Set(["/v1/state/plan", "/v1/trace"]);

const digest = (token: string): Buffer => createHash("sha256").update(token).digest();

/**
 * Reads the token file: a line each, `read TOKEN` or `write TOKEN`; a token alone may do both; `#` begins a comment.
 * @throws WeirError that names the line.
 */
export function parseTokens(text: string, path: string): Tokens {
  const tokens = { read: [] as Buffer[], write: [] as Buffer[] };
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.replace(/(^|\s)#.*$/, "").trim();
    if (line === "") continue;
    const match = /^(?:(read|write)[\s:=]+)?(\S+)$/.exec(line);
    const token = match?.[2];
    if (token === undefined) throw tokenError(path, `line ${index + 1} is neither "read TOKEN" nor "write TOKEN"`);
    if (token.length < SHORTEST)
      throw tokenError(path, `line ${index + 1}: a token has ${SHORTEST} characters or more`);
    tokens[match?.[1] === "read" ? "read" : "write"].push(digest(token));
  }
  if (tokens.read.length + tokens.write.length === 0) throw tokenError(path, "it has no token");
  return tokens;
}

function tokenError(path: string, reason: string): WeirError {
  const hint = "write lines such as: write $(openssl rand -hex 32)";
  return new WeirError({ code: "EINVAL", operation: `read token file ${path}`, reason, hint });
}

/** Lets requests by the unix socket pass, and others with the right token. */
export function authenticate(tokens: Tokens | undefined): MiddlewareHandler<FacadeEnv> {
  return async (c, next) => {
    if (c.env.local || open.has(c.req.path)) return next();
    const given = /^Bearer +(\S+)$/i.exec(c.req.header("authorization") ?? "")?.[1];
    if (given === undefined || tokens === undefined) throw unauthorized("no bearer token was given");
    const writer = matches(tokens.write, given);
    if (!writer && !matches(tokens.read, given)) throw unauthorized("the bearer token is not known");
    const writes = !["GET", "HEAD"].includes(c.req.method) && !safePosts.has(c.req.path);
    if (writes && !writer) {
      throw new ProblemError(403, `Cannot ${c.req.method} ${c.req.path}: the token may only read`, { code: "EACCES" });
    }
    return next();
  };
}

/** Compares digests, all of them, in constant time. */
function matches(known: readonly Buffer[], given: string): boolean {
  const wanted = digest(given);
  return known.reduce((found, one) => timingSafeEqual(one, wanted) || found, false);
}

function unauthorized(reason: string): ProblemError {
  return new ProblemError(401, `Cannot authenticate the request: ${reason}`, {
    code: "EACCES",
    headers: { "www-authenticate": 'Bearer realm="weir"' },
  });
}
