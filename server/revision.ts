// SPDX-License-Identifier: Apache-2.0
/** The revision of the desired state as an entity tag: `ETag` on answers, `If-Match` on writes (RFC 9110 §13.1.1). */

import type { Context } from "hono";
import { ProblemError } from "./problem.ts";

/** Writes the `ETag` of `revision` on the answer. */
export function setRevision(c: Context, revision: number): void {
  c.header("etag", `"${revision}"`);
}

/**
 * The revision that a write insists on, or undefined for any. `*` stands for any revision.
 * Fails with 412 at once if it is not `current`; the commit checks it again.
 */
export function expectedRevision(c: Context, current: number): number | undefined {
  const header = c.req.header("if-match")?.trim();
  if (header === undefined || header === "*") return undefined;
  // Only strong tags match (RFC 9110 §8.8.3.2), and only Weir's own are numbers.
  const wanted = header.split(",").map((tag) => /^"(\d+)"$/.exec(tag.trim())?.[1]);
  if (wanted.includes(String(current))) return current;
  throw new ProblemError(
    412,
    `Cannot ${c.req.method} ${c.req.path}: the state is at revision ${current}, not ${header}; read it again`,
    { code: "EREVISION", headers: { etag: `"${current}"` } },
  );
}
