// SPDX-License-Identifier: Apache-2.0
/** Lists in pages: `limit` and `cursor` in the query, the next page's address in the `Link` header (RFC 8288). */

import type { Context } from "hono";
import type { StateObject } from "./dataplane.ts";

/** Objects in a page unless `limit` says otherwise. */
export const DEFAULT_PAGE = 1000;

/** Most objects in a page. */
export const MAX_PAGE = 10_000;

/** Takes the page out of `entries` that the query asks for, and names the next one. */
export function page(c: Context, entries: Iterable<StateObject>): StateObject[] {
  const limit = Math.min(Number(c.req.query("limit") ?? DEFAULT_PAGE), MAX_PAGE);
  const start = Number(c.req.query("cursor") ?? 0);
  const objects: StateObject[] = [];
  let index = 0;
  for (const entry of entries) {
    if (index >= start + limit) {
      c.header("link", `<${nextPage(c.req.url, index)}>; rel="next"`);
      break;
    }
    if (index >= start) objects.push(entry);
    index++;
  }
  return objects;
}

/** The request's own address, path and query only, with the cursor moved. */
function nextPage(url: string, cursor: number): string {
  const next = new URL(url);
  next.searchParams.set("cursor", String(cursor));
  return `${next.pathname}${next.search}`;
}
