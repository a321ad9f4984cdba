// SPDX-License-Identifier: Apache-2.0
/** The façade over a real data plane. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { parse } from "yaml";
import { DataPlane } from "../../sdk/index.ts";
import { Lab, NODE, pods } from "../../sdk/lab/index.ts";
import { createApp } from "../../server/app.ts";
import { Facade } from "../../server/facade.ts";
import { podsState } from "./cli_support.ts";

const prefix = `wg-h${process.pid}-`;
let lab: Lab;
let dataPlane: DataPlane;
let app: ReturnType<typeof createApp>;

beforeAll(async () => {
  lab = Lab.create("pods", { prefix });
  dataPlane = await DataPlane.open({ instance: `wgh${process.pid}`, netns: lab.path(NODE), store: false });
  const facade = new Facade({ version: "0", instance: "test", onShutdown: () => {} });
  facade.attach(dataPlane);
  facade.setReady();
  app = createApp(facade);
});

afterAll(async () => {
  await dataPlane?.destroy();
  lab?.destroy();
});

async function call<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const init = { method, headers: { "content-type": "application/json", ...headers }, body: text ?? null };
  const response = await app.request(path, init, { local: true });
  const answer = response.status === 204 ? undefined : await response.json();
  return { status: response.status, headers: response.headers, body: answer as T };
}

interface Problem {
  readonly detail: string;
  readonly field?: string;
}

const received = async (from: string, address: string) =>
  (await lab.ping(from, address, { count: 1, timeoutMs: 500 })).received;

describe("the façade over a data plane", () => {
  test("brings a state into the kernel, and gives it back as it was written", async () => {
    const state = parse(podsState(lab)) as { interfaces: object[] };
    const put = await call<{ revision: number }>("PUT", "/v1/state", state);
    expect(put.status).toBe(200);
    expect(await received("a", pods.b.ipv4)).toBe(1);
    const read = await call<typeof state>("GET", "/v1/state");
    expect(read.body.interfaces).toEqual(state.interfaces);
    expect(read.headers.get("etag")).toBe(`"${put.body.revision}"`);
    expect(await call("PUT", "/v1/state", read.body)).toMatchObject({ status: 200, body: { changes: [] } });
  });

  test("changes single objects, which packets then feel", async () => {
    const route = `/v1/vrfs/red/routes/${encodeURIComponent("198.51.100.1/32")}`;
    expect((await call("PUT", route, { via: "discard" })).status).toBe(201);
    expect(await call("GET", route)).toMatchObject({ body: { vrf: "red", via: "discard", owner: "state" } });
    expect((await call("DELETE", route)).status).toBe(204);
    expect((await call("GET", route)).status).toBe(404);

    await call("PUT", "/v1/policies/web", { default: "deny", rules: [] });
    expect(await received("a", pods.b.ipv4)).toBe(0);
    const drops = await call<{ reason: string }[]>("GET", "/v1/drops?reason=policy-deny");
    expect(drops.body.length).toBeGreaterThan(0);
    await call("PUT", "/v1/policies/web", { default: "allow" });
    expect(await received("a", pods.b.ipv4)).toBe(1);
  });

  test("lists and deletes flows by selector", async () => {
    expect(await received("a", pods.b.ipv4)).toBe(1);
    const query = `vrf=red&proto=icmp&src=${pods.a.ipv4}`;
    const flows = await call<object[]>("GET", `/v1/flows?${query}`);
    expect(flows.body.length).toBeGreaterThan(0);
    const deleted = await call<{ deleted: number }>("DELETE", `/v1/flows?${query}`);
    expect(deleted.body.deleted).toBeGreaterThanOrEqual(flows.body.length);
    expect((await call<object[]>("GET", `/v1/flows?${query}`)).body).toEqual([]);
    expect(await call<Problem>("GET", "/v1/flows?src=nonsense")).toMatchObject({ status: 400 });
  });

  test("refuses with the field, the reason and the right status", async () => {
    const { revision } = dataPlane;
    const nowhere = await call<Problem>("PUT", "/v1/vrfs/red/routes/10.9.0.0%2F16", { via: "nowhere" });
    expect(nowhere).toMatchObject({ status: 422, body: { field: "/via" } });
    const unknown = await call<Problem>("PUT", "/v1/interfaces/va", { roll: "workload" });
    expect(unknown).toMatchObject({ status: 422, body: { field: "/roll" } });
    expect(await call<Problem>("DELETE", "/v1/vrfs/red")).toMatchObject({ status: 409 });
    const stale = await call<Problem>("DELETE", "/v1/interfaces/va", undefined, { "if-match": '"0"' });
    expect(stale.status).toBe(412);
    const operations = [
      { op: "put", kind: "vrfs", object: { name: "blue" } },
      { op: "put", kind: "routes", object: { vrf: "blue", prefix: "10.0.0.1/8", via: "discard" } },
    ];
    const patch = await call<Problem>("PATCH", "/v1/state", operations);
    expect(patch).toMatchObject({ status: 422, body: { field: "/1/object/prefix" } });
    const full = Array.from({ length: 20 }, (_, i) => ({ name: `n${i}`, type: "interface", device: "va", frob: 1 }));
    expect(await call<Problem>("PUT", "/v1/state", { nexthops: full })).toMatchObject({ status: 422 });
    expect(dataPlane.revision).toBe(revision);
  });

  test("takes 100 000 routes as NDJSON in one transaction, and pages through them", async () => {
    const routes = Array.from({ length: 100_000 }, (_, i) => `10.${100 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}/32`);
    const line = (prefix: string) =>
      `{"op":"put","kind":"routes","object":{"vrf":"red","prefix":"${prefix}","via":"vb"}}\n`;
    const headers = { "content-type": "application/x-ndjson" };
    const patch = await call<{ changes: object[] }>(
      "PATCH",
      "/v1/state?owner=bulk",
      routes.map(line).join(""),
      headers,
    );
    expect(patch.status).toBe(200);
    expect(patch.body.changes).toHaveLength(100_000);
    let pages = 0;
    let seen = 0;
    let path: string | undefined = "/v1/routes?limit=10000";
    while (path !== undefined) {
      const page: { body: object[]; headers: Headers } = await call<object[]>("GET", path);
      seen += page.body.length;
      pages++;
      path = /^<([^>]+)>/.exec(page.headers.get("link") ?? "")?.[1];
    }
    expect([pages, seen]).toEqual([11, 100_006]);
    expect((await call("PUT", "/v1/state?owner=bulk", {})).status).toBe(200);
    expect((await call<object[]>("GET", "/v1/routes")).body).toHaveLength(6);
  });
});
