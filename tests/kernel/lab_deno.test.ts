// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");

test("labs, netlink and ethtool do the same under Deno", async () => {
  const prefix = `wB-deno-${process.pid}-`;
  const deno = Bun.spawn(
    [join(root, "node_modules/.bin/deno"), "run", "-A", "tests/kernel/lab_deno_program.ts", prefix],
    { cwd: root, stdout: "pipe", stderr: "pipe" },
  );
  const [output, errors] = await Promise.all([deno.stdout.text(), deno.stderr.text(), deno.exited]);
  expect(errors).toBe("");
  expect(JSON.parse(output)).toEqual({
    received: [1, 1],
    events: ["route", "resynchronise"],
    previous: { "tx-checksum-ip-generic": true, "tx-checksum-sctp": true },
    driver: "veth",
  });
  expect(existsSync(`/run/netns/${prefix}node`)).toBe(false);
}, 30_000);
