// SPDX-License-Identifier: Apache-2.0
/**
 * Whether the worker's loop in JavaScript makes objects: JavaScriptCore is told to collect garbage whenever as many
 * bytes were allocated as packets are sent, and to say so.
 */
import { expect, test } from "bun:test";
import { root } from "../../scripts/root.ts";

const PACKETS = 200_000;

interface Collections {
  /** Begun on any thread but the main one, between `begin` and `end`. */
  readonly elsewhere: number;
  readonly stdout: string;
}

async function collections(file: string, argument: number): Promise<Collections> {
  const child = Bun.spawn([process.execPath, root("tests/kernel", file), String(argument)], {
    env: { ...process.env, BUN_JSC_logGC: "1", BUN_JSC_gcMaxHeapSize: String(PACKETS) },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  expect(status, stderr.slice(-2000)).toBe(0);
  const log = /begin\n([\s\S]*)end\n/.exec(stderr)?.[1];
  if (log === undefined) throw new Error(`no marks in: ${stderr.slice(-2000)}`);
  const heaps = (text: string) => [...text.matchAll(/\[GC<(0x[0-9a-f]+)>: START/g)].map(([, heap]) => heap);
  // The programs begin with a collection of the main thread's heap.
  const main = heaps(stderr)[0];
  return { elsewhere: heaps(log).filter((heap) => heap !== main).length, stdout };
}

test("first packets of flows do not make the worker allocate an object each", async () => {
  const { elsewhere, stdout } = await collections("allocation_program.ts", PACKETS);
  expect(JSON.parse(stdout).packets).toBeGreaterThanOrEqual(PACKETS);
  // An object has 16 bytes at least: one a packet would be 16 collections.
  expect(elsewhere).toBeLessThan(8);
});

test("an object a packet would be seen", async () => {
  expect((await collections("allocation_control.ts", PACKETS)).elsewhere).toBeGreaterThan(10);
});
