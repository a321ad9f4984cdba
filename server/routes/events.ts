// SPDX-License-Identifier: Apache-2.0
/** `/v1/events`: what happens, as server-sent events (WHATWG HTML, section 9.2). */

import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import { eventKinds } from "../../sdk/index.ts";
import type { DataPlaneEvent, EventKind } from "../dataplane.ts";
import { describe, query } from "../describe.ts";
import type { Facade, FacadeEnv } from "../facade.ts";
import { eventQuery, eventSchema } from "../schemas.ts";

/** How often a stream without events shows that it lives, in milliseconds: proxies end what is silent for a minute. */
const HEARTBEAT = 15_000;
/** A comment, which readers pass over. */
const ALIVE = ":\n\n";

export function events(facade: Facade) {
  return new Hono<FacadeEnv>().get(
    "/v1/events",
    describe({
      summary:
        "Events from now on: `event:` is the kind, `data:` a JSON object. A reader that is too slow gets a lost event with the number that it missed",
      tag: "events",
      answer: eventSchema,
      media: "text/event-stream",
      problems: [400, 503],
    }),
    query(eventQuery),
    (c) => {
      const { kinds, buffer } = c.req.valid("query");
      const ended = new AbortController();
      const signal = AbortSignal.any([ended.signal, facade.ending]);
      const happened = facade.dataPlane.events(kindsOf(kinds), {
        signal,
        ...(buffer === undefined ? {} : { buffer: Number(buffer) }),
      });
      return streamSSE(c, async (stream) => {
        stream.onAbort(() => ended.abort());
        // The first says that events are listened to.
        await stream.write(ALIVE);
        const heartbeat = setInterval(() => void stream.write(ALIVE), HEARTBEAT);
        try {
          // Waits until the reader has taken each: what comes meanwhile waits in the data plane's bounded buffer.
          for await (const event of happened) await stream.writeSSE({ event: event.kind, data: eventText(event) });
        } finally {
          clearInterval(heartbeat);
        }
      });
    },
  );
}

function kindsOf(query: string | undefined): readonly EventKind[] {
  if (query === undefined) return eventKinds;
  const wanted = new Set(query.split(","));
  return eventKinds.filter((kind) => wanted.has(kind));
}

/** An event as JSON: bytes in hex. */
function eventText(event: DataPlaneEvent): string {
  return JSON.stringify(event, (_key, value) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value,
  );
}
