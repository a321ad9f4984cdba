// SPDX-License-Identifier: Apache-2.0
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Endpoint } from "../endpoint.ts";
import { FakeDataPlane } from "../testing/fake.ts";
import { listen, request } from "../transport.ts";
import { type ServingOptions, serveUntil } from "./serving.ts";

const directory = mkdtempSync(join(tmpdir(), "weir-serving-"));
afterAll(() => rmSync(directory, { recursive: true }));

class Plane extends FakeDataPlane {
  closed = 0;
  destroyed = 0;
  async close(): Promise<void> {
    this.closed++;
  }
  async destroy(): Promise<void> {
    this.destroyed++;
  }
}

function start(name: string, o: Partial<ServingOptions> = {}) {
  const endpoint: Endpoint = { type: "unix", path: join(directory, `${name}.sock`) };
  const controller = new AbortController();
  const ready = Promise.withResolvers<void>();
  const plane = new Plane();
  const done = serveUntil({
    instance: name,
    version: "0",
    endpoints: [endpoint],
    open: async () => plane,
    onReady: () => ready.resolve(),
    signal: controller.signal,
    ...o,
  });
  return { endpoint, controller, ready: ready.promise, plane, done };
}

const status = async (endpoint: Endpoint, path: string, method = "GET") =>
  (await request(endpoint, path, { method })).status;

describe("serving", () => {
  test("answers health while the data plane opens, and is ready when the state is applied", async () => {
    const opening = Promise.withResolvers<void>();
    const applying = Promise.withResolvers<void>();
    const plane = new Plane();
    const { endpoint, controller, ready, done } = start("a", {
      open: async () => {
        await opening.promise;
        return plane;
      },
      prepare: () => applying.promise,
    });
    await Bun.sleep(20);
    expect([await status(endpoint, "/healthz"), await status(endpoint, "/readyz")]).toEqual([200, 503]);
    opening.resolve();
    await Bun.sleep(20);
    expect(await status(endpoint, "/readyz")).toBe(503);
    applying.resolve();
    await ready;
    expect(await status(endpoint, "/readyz")).toBe(200);
    controller.abort();
    await done;
    expect(plane.closed).toBe(1);
  });

  test("ends on a request, with the answer out, the data plane closed and the socket gone", async () => {
    const { endpoint, ready, plane, done } = start("b");
    await ready;
    expect(await status(endpoint, "/v1/shutdown", "POST")).toBe(202);
    await done;
    expect(plane.closed).toBe(1);
    expect(existsSync(join(directory, "b.sock"))).toBe(false);
  });

  test("takes everything away on a request that says so", async () => {
    const { endpoint, ready, plane, done } = start("f");
    await ready;
    expect(await status(endpoint, "/v1/shutdown?destroy=true", "POST")).toBe(202);
    await done;
    expect([plane.closed, plane.destroyed]).toEqual([0, 1]);
  });

  test("ends with the reason when the state cannot be applied; a new instance leaves nothing behind", async () => {
    const prepare = async () => {
      throw new Error("no such device");
    };
    const fresh = start("c", { prepare });
    await expect(fresh.done).rejects.toThrow("no such device");
    expect([fresh.plane.closed, fresh.plane.destroyed]).toEqual([0, 1]);
    const old = new Plane();
    old.revision = 7;
    await expect(start("c", { prepare, open: async () => old }).done).rejects.toThrow("no such device");
    expect([old.closed, old.destroyed]).toEqual([1, 0]);
    expect(existsSync(join(directory, "c.sock"))).toBe(false);
  });

  test("ends when told while it still opens", async () => {
    const opening = Promise.withResolvers<void>();
    const plane = new Plane();
    const { controller, done } = start("d", {
      open: async () => {
        await opening.promise;
        return plane;
      },
    });
    controller.abort();
    opening.resolve();
    await done;
    expect(plane.closed).toBe(1);
  });

  test("leaves a running instance of the same name alone", async () => {
    const endpoint: Endpoint = { type: "unix", path: join(directory, "e.sock") };
    const other = await listen(endpoint, () => new Response("other"));
    let opened = false;
    const { done } = start("e", {
      open: async () => {
        opened = true;
        return new Plane();
      },
    });
    await expect(done).rejects.toThrow("another process listens there");
    expect(opened).toBe(false);
    expect(await (await request(endpoint, "/")).text()).toBe("other");
    await other.stop();
  });
});
