// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, test } from "bun:test";
import { WeirError } from "../sdk/errors.ts";
import { createApp } from "./app.ts";
import { parseTokens } from "./auth.ts";
import { Facade } from "./facade.ts";
import { FakeDataPlane } from "./testing/fake.ts";

const document = {
  vrfs: [{ name: "red" }],
  interfaces: [{ name: "h0", role: "workload", vrf: "red", addresses: ["10.97.0.1"] }],
  routes: [{ vrf: "red", prefix: "10.98.0.0/16", via: "h0" }],
};

const local = { local: true };
let plane: FakeDataPlane;
let facade: Facade;
let app: ReturnType<typeof createApp>;
let shutdowns = 0;

beforeEach(() => {
  plane = new FakeDataPlane();
  shutdowns = 0;
  facade = new Facade({ version: "0.1.0", instance: "default", onShutdown: () => shutdowns++ });
  facade.attach(plane);
  facade.setReady();
  app = createApp(facade, parseTokens("read reader-0123456789\nwrite writer-0123456789\n", "tokens"));
});

const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}, env = local) =>
  app.request(
    path,
    {
      method,
      headers: { "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    },
    env,
  );

async function problem(response: Response) {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const body = (await response.json()) as { status: number; title: string; detail: string; field?: string };
  expect(body.status).toBe(response.status);
  expect(body.title).not.toBe("Error");
  return body;
}

describe("health", () => {
  test("answers /healthz before the data plane is there, /readyz and the rest 503", async () => {
    const starting = createApp(new Facade({ version: "0", instance: "x", onShutdown: () => {} }));
    expect((await starting.request("/healthz", {}, local)).status).toBe(200);
    expect((await starting.request("/readyz", {}, local)).status).toBe(503);
    const answer = await starting.request("/v1/vrfs", {}, local);
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toBe("1");
    await problem(answer);
  });

  test("answers /readyz 200 with the revision once the state is applied", async () => {
    const answer = await call("GET", "/readyz");
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ status: "ready", revision: 0 });
  });

  test("ends the process on request, but not by TCP", async () => {
    expect((await call("POST", "/v1/shutdown")).status).toBe(202);
    expect(shutdowns).toBe(1);
    const authorization = "Bearer writer-0123456789";
    expect((await call("POST", "/v1/shutdown", undefined, { authorization }, { local: false })).status).toBe(403);
    expect(shutdowns).toBe(1);
  });
});

describe("state", () => {
  test("takes a document, gives it back, and counts the revision in the ETag", async () => {
    const put = await call("PUT", "/v1/state", document);
    expect(put.status).toBe(200);
    expect(put.headers.get("etag")).toBe('"1"');
    expect(((await put.json()) as { changes: unknown[] }).changes).toHaveLength(3);
    const get = await call("GET", "/v1/state");
    expect(await get.json()).toEqual(document as never);
    expect(get.headers.get("etag")).toBe('"1"');
  });

  test("takes YAML", async () => {
    const put = await call("PUT", "/v1/state", "vrfs:\n  - { name: red }\n", { "content-type": "application/yaml" });
    expect(put.status).toBe(200);
    expect(plane.state()).toEqual({ vrfs: [{ name: "red" }] });
  });

  test("names line and column of malformed YAML, and malformed JSON is a 400", async () => {
    const yaml = await call("PUT", "/v1/state", "vrfs: [\n  - a: b: c\n", { "content-type": "application/yaml" });
    expect(yaml.status).toBe(400);
    expect((await problem(yaml)).detail).toMatch(/line 2, column \d+/);
    const json = await call("PUT", "/v1/state", "{");
    expect(json.status).toBe(400);
    await problem(json);
  });

  test("plans without changing anything", async () => {
    const plan = await call("POST", "/v1/state/plan", document);
    expect(plan.status).toBe(200);
    expect(await plan.json()).toMatchObject({ memoryBytes: 4096, flows: 2, changes: { length: 3 } });
    expect(plane.revision).toBe(0);
  });

  test("names the field of a wrong document and changes nothing", async () => {
    const answer = await call("PUT", "/v1/state", { routes: [{ vrf: "red", prefix: "10.0.0.0/8", via: "nowhere" }] });
    expect(answer.status).toBe(422);
    expect((await problem(answer)).field).toBe("/routes/0/via");
    expect(plane.revision).toBe(0);
  });

  test("replaces only the objects of the owner that it is told", async () => {
    await call("PUT", "/v1/state", document);
    await call("PUT", "/v1/state?owner=other", { vrfs: [{ name: "blue" }] });
    await call("PUT", "/v1/state", {});
    const vrfs = (await (await call("GET", "/v1/vrfs")).json()) as { name: string }[];
    expect(vrfs.map(({ name }) => name)).toEqual(["blue"]);
  });

  test("refuses a write whose If-Match is not the revision", async () => {
    await call("PUT", "/v1/state", document);
    const stale = await call("PUT", "/v1/state", {}, { "if-match": '"0"' });
    expect(stale.status).toBe(412);
    expect(stale.headers.get("etag")).toBe('"1"');
    await problem(stale);
    expect((await call("PUT", "/v1/state", {}, { "if-match": '"1"' })).status).toBe(200);
    expect((await call("PUT", "/v1/state", document, { "if-match": "*" })).status).toBe(200);
  });

  test("applies a PATCH of puts and deletes as a whole, as JSON and as NDJSON", async () => {
    await call("PUT", "/v1/state", document);
    const operations = [
      { op: "put", kind: "routes", object: { vrf: "red", prefix: "10.99.0.0/16", via: "h0" } },
      { op: "delete", kind: "routes", key: { vrf: "red", prefix: "10.98.0.0/16" } },
    ];
    const json = await call("PATCH", "/v1/state", operations);
    expect(await json.json()).toMatchObject({ revision: 2, changes: { length: 2 } });
    const lines = `${JSON.stringify({ op: "put", kind: "vrf", object: { name: "blue" } })}\n\n`;
    const ndjson = await call("PATCH", "/v1/state", lines, { "content-type": "application/x-ndjson" });
    expect(await ndjson.json()).toMatchObject({
      revision: 3,
      changes: [{ action: "add", kind: "vrf", key: "blue", text: "+ vrf blue" }],
    });
  });

  test("points a wrong PATCH at its operation", async () => {
    const operations = [
      { op: "put", kind: "vrfs", object: { name: "red" } },
      { op: "put", kind: "routes", object: { vrf: "red", prefix: "10.99.0.0/16", via: "nowhere" } },
    ];
    expect((await problem(await call("PATCH", "/v1/state", operations))).field).toBe("/1/object/via");
    expect((await problem(await call("PATCH", "/v1/state", [{ op: "jump" }]))).field).toBe("/0");
    const unknown = [{ op: "delete", kind: "cows", key: "x" }];
    expect((await problem(await call("PATCH", "/v1/state", unknown))).field).toBe("/0/kind");
    expect((await call("PATCH", "/v1/state", {})).status).toBe(422);
    expect(plane.revision).toBe(0);
  });
});

describe("objects", () => {
  test("are listed, got, put and deleted by name", async () => {
    const created = await call("PUT", "/v1/vrfs/red", {});
    expect(created.status).toBe(201);
    expect(await created.json()).toEqual({ name: "red", owner: "state", status: {} } as never);
    const again = await call("PUT", "/v1/vrfs/red", await (await call("GET", "/v1/vrfs/red")).json());
    expect(again.status).toBe(200);
    const list = await call("GET", "/v1/vrfs");
    expect(await list.json()).toHaveLength(1);
    expect((await call("DELETE", "/v1/vrfs/red")).status).toBe(204);
    const gone = await call("GET", "/v1/vrfs/red");
    expect(gone.status).toBe(404);
    expect((await problem(gone)).detail).toContain('vrf "red"');
    expect((await call("DELETE", "/v1/vrfs/red")).status).toBe(404);
  });

  test("refuse a body of another name", async () => {
    const answer = await call("PUT", "/v1/vrfs/red", { name: "blue" });
    expect(answer.status).toBe(422);
    expect((await problem(answer)).field).toBe("/name");
  });

  test("that others refer to are not deleted: 409 names them", async () => {
    await call("PUT", "/v1/state", document);
    const answer = await call("DELETE", "/v1/vrfs/red");
    expect(answer.status).toBe(409);
    expect((await problem(answer)).detail).toContain('interface "h0"');
  });

  test("come in pages with a Link to the next", async () => {
    const vrfs = ["a", "b", "c", "d", "e"].map((name) => ({ name }));
    await call("PUT", "/v1/state", { vrfs });
    const names: string[] = [];
    let path: string | undefined = "/v1/vrfs?limit=2";
    let pages = 0;
    while (path !== undefined) {
      const answer: Response = await call("GET", path);
      for (const { name } of (await answer.json()) as { name: string }[]) names.push(name);
      path = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get("link") ?? "")?.[1];
      pages++;
    }
    expect(names).toEqual(["a", "b", "c", "d", "e"]);
    expect(pages).toBe(3);
  });

  test("refuse a query parameter that is wrong or unknown, by name", async () => {
    const wrong = await call("GET", "/v1/vrfs?limit=many");
    expect(wrong.status).toBe(400);
    expect((await problem(wrong)).detail).toContain("limit");
    expect((await problem(await call("GET", "/v1/vrfs?lmit=2"))).detail).toContain("lmit");
  });

  test("of later kinds are 501, unknown paths 404", async () => {
    for (const path of ["/v1/nat", "/v1/services/dns", "/v1/capture", "/metrics"]) {
      const answer = await call("GET", path);
      expect([path, answer.status]).toEqual([path, 501]);
      await problem(answer);
    }
    const answer = await call("GET", "/v1/cows");
    expect(answer.status).toBe(404);
    await problem(answer);
  });
});

describe("QoS maps", () => {
  test("are put, listed and deleted by name", async () => {
    const map = { dscp: { "46": 5 }, exp: { "5": 5 }, pcp: { "5": 5 } };
    expect((await call("PUT", "/v1/qos/voice", map)).status).toBe(201);
    expect(await (await call("GET", "/v1/qos")).json()).toMatchObject([{ name: "voice", ...map }]);
    expect((await call("DELETE", "/v1/qos/voice")).status).toBe(204);
    expect((await call("GET", "/v1/qos/voice")).status).toBe(404);
  });
});

describe("labels and VNIs", () => {
  test("are named by their number", async () => {
    await call("PUT", "/v1/state", document);
    const put = await call("PUT", "/v1/labels/100", { via: "h0" });
    expect([put.status, await put.json()]).toEqual([201, { label: 100, via: "h0", owner: "state", status: {} }]);
    expect(await (await call("GET", "/v1/labels/100")).json()).toMatchObject({ label: 100 });
    expect((await call("PUT", "/v1/vnis/77", { vni: 78, vrf: "red" })).status).toBe(422);
    expect((await call("PUT", "/v1/vnis/77", { vrf: "red" })).status).toBe(201);
    expect(await (await call("GET", "/v1/vnis")).json()).toHaveLength(1);
    expect((await call("DELETE", "/v1/vnis/77")).status).toBe(204);
    expect((await call("GET", "/v1/vnis/77")).status).toBe(404);
  });
});

describe("bridge entries", () => {
  test("are named by their MAC within a VRF", async () => {
    await call("PUT", "/v1/state", document);
    const path = "/v1/vrfs/red/fdb/02:00:00:00:02:01";
    expect((await call("PUT", path, { via: "h0" })).status).toBe(201);
    expect(await (await call("GET", path)).json()).toMatchObject({ vrf: "red", mac: "02:00:00:00:02:01", via: "h0" });
    expect(await (await call("GET", "/v1/vrfs/red/fdb")).json()).toHaveLength(1);
    expect(await (await call("GET", "/v1/fdb?vrf=blue")).json()).toEqual([]);
    expect((await call("DELETE", path)).status).toBe(204);
  });
});

describe("routes", () => {
  test("have their prefix percent-encoded in the path, or not", async () => {
    await call("PUT", "/v1/state", document);
    const put = await call("PUT", "/v1/vrfs/red/routes/10.99.0.0%2F16", { via: "h0" });
    expect(put.status).toBe(201);
    expect(await put.json()).toMatchObject({ vrf: "red", prefix: "10.99.0.0/16", via: "h0" });
    expect((await call("GET", "/v1/vrfs/red/routes/10.99.0.0/16")).status).toBe(200);
    expect((await call("PUT", "/v1/vrfs/red/routes/fd00:97::%2F64", { via: "h0" })).status).toBe(201);
    expect((await call("DELETE", "/v1/vrfs/red/routes/fd00%3A97%3A%3A%2F64")).status).toBe(204);
  });

  test("are listed by VRF and for all", async () => {
    const vrfs = [{ name: "red" }, { name: "blue" }];
    const routes = [...document.routes, { vrf: "blue", prefix: "0.0.0.0/0", via: "discard" }];
    await call("PUT", "/v1/state", { ...document, vrfs, routes });
    expect(await (await call("GET", "/v1/routes")).json()).toHaveLength(2);
    expect(await (await call("GET", "/v1/routes?vrf=blue")).json()).toMatchObject([{ vrf: "blue" }]);
    expect(await (await call("GET", "/v1/vrfs/red/routes")).json()).toMatchObject([{ vrf: "red" }]);
    expect((await call("GET", "/v1/vrfs/green/routes")).status).toBe(404);
  });

  test("to a next hop that is not there are refused at the field", async () => {
    const answer = await call("PUT", "/v1/vrfs/red/routes/10.0.0.0%2F8", { via: "nowhere" });
    expect(answer.status).toBe(422);
    expect((await problem(answer)).field).toBe("/via");
  });
});

describe("counters", () => {
  const flow = (dport: number) => ({
    vrf: "red",
    proto: "tcp",
    src: "10.97.0.1",
    sport: 40000,
    dst: "10.97.0.2",
    dport,
  });

  test("flows are selected and deleted", async () => {
    plane.flowEntries = [flow(80), flow(443)];
    expect(await (await call("GET", "/v1/flows")).json()).toHaveLength(2);
    expect(await (await call("GET", "/v1/flows?vrf=red&dport=443")).json()).toEqual([flow(443)] as never);
    expect(await (await call("DELETE", "/v1/flows?dport=443")).json()).toEqual({ deleted: 1 });
    expect(await (await call("GET", "/v1/flows?vrf=blue")).json()).toEqual([] as never);
  });

  test("a selector that makes no sense is a problem, although flows are streamed", async () => {
    plane.flows.entries = function* () {
      yield* [];
      throw new WeirError({ code: "EINVAL", operation: "select flows", reason: '"x" is no address' });
    } as never;
    const answer = await call("GET", "/v1/flows?src=x");
    expect(answer.status).toBe(400);
    await problem(answer);
  });

  test("a long list of flows arrives whole", async () => {
    plane.flowEntries = Array.from({ length: 20_000 }, (_, i) => flow(i));
    expect(await (await call("GET", "/v1/flows")).json()).toHaveLength(20_000);
  });

  test("drops are listed by interface and reason", async () => {
    const drop = { interface: "h0", reason: "policy-deny", packets: 3, bytes: 180 };
    plane.dropCounters = [drop, { ...drop, reason: "no-route" }];
    expect(await (await call("GET", "/v1/drops")).json()).toHaveLength(2);
    expect(await (await call("GET", "/v1/drops?reason=policy-deny")).json()).toEqual([drop]);
  });

  test("stats give use and limits", async () => {
    expect(await (await call("GET", "/v1/stats")).json()).toMatchObject({ routes: { used: 0, limit: 1_048_576 } });
  });
});

describe("the TCP listener", () => {
  const remote = (method: string, path: string, token?: string) =>
    call(
      method,
      path,
      method === "GET" ? undefined : {},
      token === undefined ? {} : { authorization: `Bearer ${token}` },
      {
        local: false,
      },
    );

  test("asks for a token, except for health", async () => {
    expect((await remote("GET", "/healthz")).status).toBe(200);
    const answer = await remote("GET", "/v1/vrfs");
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toContain("Bearer");
    await problem(answer);
    expect((await remote("GET", "/v1/vrfs", "wrong-0123456789")).status).toBe(401);
  });

  test("lets a reader read and plan, and a writer write", async () => {
    expect((await remote("GET", "/v1/vrfs", "reader-0123456789")).status).toBe(200);
    expect((await remote("POST", "/v1/state/plan", "reader-0123456789")).status).toBe(200);
    expect((await remote("PUT", "/v1/state", "reader-0123456789")).status).toBe(403);
    expect((await remote("PUT", "/v1/state", "writer-0123456789")).status).toBe(200);
    expect((await remote("GET", "/v1/vrfs", "writer-0123456789")).status).toBe(200);
  });

  test("has tokens from a file whose faults are named by line", () => {
    expect(() => parseTokens("", "t")).toThrow("it has no token");
    expect(() => parseTokens("# c\nread short\n", "t")).toThrow("line 2");
    expect(() => parseTokens("erase 0123456789abcdef\n", "t")).toThrow("line 1");
  });
});

test("/openapi.json describes every route with its problems", async () => {
  const answer = await call("GET", "/openapi.json");
  const spec = (await answer.json()) as {
    openapi: string;
    paths: Record<string, { put?: { responses: object } }>;
  };
  expect(spec.openapi).toBe("3.1.0");
  expect(Object.keys(spec.paths)).toEqual(
    expect.arrayContaining([
      "/v1/state",
      "/v1/vrfs/{name}",
      "/v1/vrfs/{vrf}/routes/{prefix}",
      "/v1/flows",
      "/v1/drops",
    ]),
  );
  const put = spec.paths["/v1/vrfs/{name}"]?.put;
  expect(Object.keys(put?.responses ?? {})).toContain("412");
  expect(JSON.stringify(spec).includes('"success"')).toBe(false);
});
