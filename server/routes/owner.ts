// SPDX-License-Identifier: Apache-2.0
/** The owner that a request acts for. */

import type { Context } from "hono";

/** Owner of what `apply` and `PUT` write unless they say otherwise (contract §2). */
export const DEFAULT_OWNER = "state";

/** The owner that the query names. */
export function ownerOf(c: Context): string {
  return c.req.query("owner") ?? DEFAULT_OWNER;
}
