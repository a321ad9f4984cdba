// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { Lines } from "./lines.ts";

test("lines that came in one piece are given one at a time", async () => {
  const stream = new PassThrough();
  const lines = new Lines(stream);
  stream.write("a\nb\n");
  expect([await lines.next(), await lines.next()]).toEqual(["a", "b"]);
});

test("a line that came in pieces is one line", async () => {
  const stream = new PassThrough();
  const lines = new Lines(stream);
  stream.write("ha");
  const line = lines.next();
  await sleep(5);
  stream.write("lf\n");
  expect(await line).toBe("half");
});

test("the end of the stream is told to who waits and to who asks later", async () => {
  const stream = new PassThrough();
  const lines = new Lines(stream);
  const waiting = lines.next();
  stream.destroy();
  expect([await waiting, await lines.next()]).toEqual([undefined, undefined]);
});
