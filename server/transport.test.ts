// SPDX-License-Identifier: Apache-2.0
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkInstance, type Endpoint, formatEndpoint, parseEndpoint, socketOf } from "./endpoint.ts";
import { answers, listen, request } from "./transport.ts";

const directory = mkdtempSync(join(tmpdir(), "weir-transport-"));
afterAll(() => rmSync(directory, { recursive: true }));

const unix = (name: string): Endpoint => ({ type: "unix", path: join(directory, name) });
const hello = (_request: Request, local: boolean) => new Response(local ? "local" : "remote");

describe("endpoints", () => {
  test("are read and written alike", () => {
    for (const text of ["unix:/run/x.sock", "127.0.0.1:8080", "[::1]:8080", "localhost:1"]) {
      expect(formatEndpoint(parseEndpoint(text))).toBe(text);
    }
    expect(socketOf("a")).toEqual({ type: "unix", path: "/run/weir/a.sock" });
  });

  test("that make no sense are refused", () => {
    for (const text of ["unix:relative", "8080", "host", "host:99999", "::1:80", `unix:/${"x".repeat(120)}`]) {
      expect(() => parseEndpoint(text)).toThrow("Cannot use");
    }
  });

  test("have instance names that are safe as file names", () => {
    for (const name of ["default", "n1", "a_b-c"]) expect(checkInstance(name)).toBe(name);
    for (const name of ["", "../x", "a/b", ".hidden", "a.b", "a b", "x".repeat(33)]) {
      expect(() => checkInstance(name)).toThrow("name of an instance");
    }
  });
});

describe("a unix socket", () => {
  test("is private, tells that it is local, and is gone after stop", async () => {
    const endpoint = unix("a.sock");
    const listener = await listen(endpoint, hello);
    expect(statSync(join(directory, "a.sock")).mode & 0o777).toBe(0o600);
    expect(await (await request(endpoint, "/")).text()).toBe("local");
    await listener.stop();
    expect(existsSync(join(directory, "a.sock"))).toBe(false);
  });

  test("is refused to a second process while the first answers", async () => {
    const endpoint = unix("b.sock");
    const listener = await listen(endpoint, hello);
    await expect(listen(endpoint, hello)).rejects.toThrow("another process listens there");
    expect(await answers(endpoint)).toBe(true);
    await listener.stop();
    expect(await answers(endpoint)).toBe(false);
  });

  test("that a killed process left behind is replaced", async () => {
    const endpoint = unix("c.sock");
    const child = Bun.spawn([
      process.execPath,
      "-e",
      `Bun.serve({ unix: ${JSON.stringify(join(directory, "c.sock"))}, fetch: () => new Response("") }); console.log("up")`,
    ]);
    await child.stdout.getReader().read();
    child.kill("SIGKILL");
    await child.exited;
    expect(existsSync(join(directory, "c.sock"))).toBe(true);
    const listener = await listen(endpoint, hello);
    expect(await (await request(endpoint, "/")).text()).toBe("local");
    await listener.stop();
  });

  test("that is not there gives one line with a hint", async () => {
    await expect(request(unix("d.sock"), "/")).rejects.toThrow(
      "no instance is running there; start one with: weir serve",
    );
  });
});

test("a stop lets the request at hand finish", async () => {
  const endpoint = unix("e.sock");
  const { promise, resolve } = Promise.withResolvers<void>();
  const listener = await listen(endpoint, async () => {
    await promise;
    return new Response("late");
  });
  const answer = request(endpoint, "/");
  await Bun.sleep(20);
  const stopped = listener.stop();
  resolve();
  expect(await (await answer).text()).toBe("late");
  await stopped;
});

test("a TCP listener is remote, and tells its port", async () => {
  const listener = await listen({ type: "tcp", host: "127.0.0.1", port: 0 }, hello);
  expect(await (await request(listener.endpoint, "/")).text()).toBe("remote");
  await expect(listen(listener.endpoint, hello)).rejects.toThrow("another process listens there");
  await listener.stop();
  await expect(request(listener.endpoint, "/")).rejects.toThrow("no instance is running there");
});
