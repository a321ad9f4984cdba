// SPDX-License-Identifier: Apache-2.0
import { beforeEach, expect, test } from "bun:test";
import { EventHub, type NewEvent } from "../../sdk/dataplane/events/events.ts";
import { createApp } from "../app.ts";
import { parseTokens } from "../auth.ts";
import { Facade } from "../facade.ts";
import { FakeDataPlane } from "../testing/fake.ts";

let hub: EventHub;
let facade: Facade;
let app: ReturnType<typeof createApp>;

beforeEach(() => {
  hub = new EventHub();
  const plane = new FakeDataPlane();
  plane.events = (kinds, o) => hub.subscribe(kinds, o);
  facade = new Facade({ version: "0", instance: "default", onShutdown: () => {} });
  facade.attach(plane);
  app = createApp(facade, parseTokens("read reader-0123456789\nwrite writer-0123456789\n", "tokens"));
});

const drop = (length: number): NewEvent => ({
  kind: "drop",
  hook: "tc",
  interface: "h0",
  reason: "no-route",
  length,
  head: Uint8Array.of(1, 2, 255),
});

const get = (path: string, headers: Record<string, string> = {}, local = true) =>
  app.request(path, { headers }, { local });

/** Reads what comes until `enough` matches all of it, then leaves. */
async function read(response: Response, enough: RegExp, act: () => void = () => {}): Promise<string> {
  let text = "";
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text;
    if (text === "") act();
    text += new TextDecoder().decode(value);
    if (!enough.test(text)) continue;
    await reader.cancel();
    return text;
  }
}

test("events of the kinds that were asked for come as server-sent events, bytes in hex", async () => {
  const response = await get("/v1/events?kinds=drop,link");
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const text = await read(response, /"length":60/, () => {
    hub.emit({ kind: "packet", interface: "h0", trap: "arp", length: 42 });
    hub.emit(drop(60), "2026-01-01T00:00:00.000Z");
  });
  expect(text.startsWith(":\n\n")).toBe(true);
  const [, event, data] = /^event: (.*)\ndata: (.*)\n\n$/m.exec(text.slice(3)) ?? [];
  expect(event).toBe("drop");
  expect(JSON.parse(data ?? "")).toEqual({
    kind: "drop",
    hook: "tc",
    interface: "h0",
    reason: "no-route",
    length: 60,
    head: "0102ff",
    time: "2026-01-01T00:00:00.000Z",
  });
});

test("a reader that leaves is not listened for any more", async () => {
  await read(await get("/v1/events?kinds=drop"), /^:/);
  for (let i = 0; i < 100 && hub.wanted("drop"); i++) await Bun.sleep(1);
  expect(hub.wanted("drop")).toBe(false);
});

test("a reader that does not keep up gets what fits the buffer, and is told how many it missed", async () => {
  const response = await get("/v1/events?kinds=drop&buffer=5");
  const text = await read(response, /event: lost/, () => {
    for (let i = 0; i < 1000; i++) hub.emit(drop(i));
  });
  const events = (text.match(/^event: drop$/gm) ?? []).length;
  const lost = Number(/"count":(\d+)/.exec(text)?.[1]);
  expect(events).toBeLessThan(20);
  expect(events + lost).toBe(1000);
});

test("all kinds come unless some are asked for, and what is none is refused by name", async () => {
  const text = await read(await get("/v1/events"), /event: packet/, () => {
    hub.emit({ kind: "packet", interface: "h0", trap: "arp", length: 42 });
  });
  expect(text).toContain('"trap":"arp"');
  for (const path of ["/v1/events?kinds=cows", "/v1/events?kinds=", "/v1/events?buffer=0", "/v1/events?kind=drop"]) {
    const refused = await get(path);
    expect(refused.status).toBe(400);
    expect(refused.headers.get("content-type")).toBe("application/problem+json");
  }
});

test("a token that may read reads them; none does not", async () => {
  expect((await get("/v1/events", {}, false)).status).toBe(401);
  const response = await get("/v1/events", { authorization: "Bearer reader-0123456789" }, false);
  expect(response.status).toBe(200);
  await read(response, /^:/);
});

test("the streams end when the process is about to end", async () => {
  const response = await get("/v1/events?kinds=drop");
  const text = await read(response, /never/, () => facade.endStreams());
  expect(text).toBe(":\n\n");
});

test("the description names the stream's media type", async () => {
  const document = (await (await get("/openapi.json")).json()) as {
    paths: Record<string, { get: { responses: Record<string, { content: Record<string, unknown> }> } }>;
  };
  const responses = document.paths["/v1/events"]?.get.responses;
  expect(Object.keys(responses?.["200"]?.content ?? {})).toEqual(["text/event-stream"]);
});
