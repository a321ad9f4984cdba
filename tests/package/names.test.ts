// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");
const runtimes = {
  Bun: [process.execPath, "run"],
  Deno: [join(root, "node_modules/.bin/deno"), "run", "--allow-all"],
};

test.each(Object.entries(runtimes))("the package's entries are found by name in the checkout: %s", async (_, run) => {
  const child = Bun.spawn([...run, "tests/package/names.ts"], { cwd: root, stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(JSON.parse(stdout)).toEqual({ names: ["DataPlane", "CollectionSpec", "BpfMap", "Lab"], loopback: 1 });
});
