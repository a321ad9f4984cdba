// SPDX-License-Identifier: Apache-2.0
// Runs alone: the time of a large transaction is measured.
import { expect, test } from "bun:test";
import { pods } from "../../sdk/lab/index.ts";
import { DataPlaneNode } from "./dataplane_node.ts";

const COUNT = 100_000;

test("one transaction of 100 000 routes is in the kernel and in the store, and is taken over by the next controller", async () => {
  await using node = await DataPlaneNode.start({ name: "scale" });
  await node.dp.apply(node.document({ b: { sourceCheck: false } }));
  const transaction = node.dp.transaction({ owner: "bgp" });
  for (let i = 0; i < COUNT; i++) {
    transaction.put("routes", { vrf: "red", prefix: `20.${i >> 16}.${(i >> 8) & 255}.${i & 255}/32`, via: "vb" });
  }
  let started = performance.now();
  const { changes } = await transaction.commit();
  console.log(`${COUNT} routes: ${(performance.now() - started).toFixed(0)} ms`);
  expect(changes).toHaveLength(COUNT);
  await node.lab.exec("b", ["ip", "address", "add", "20.1.134.159/32", "dev", "eth0"]);
  expect(await node.received("a", "20.1.134.159")).toBe(3);
  expect(node.dp.usage().tables.routes4.used).toBe(COUNT + 3);

  await node.close();
  started = performance.now();
  await node.open();
  console.log(`taken over: ${(performance.now() - started).toFixed(0)} ms`);
  expect(await node.received("a", "20.1.134.159")).toBe(3);

  started = performance.now();
  await node.dp.transaction({ owner: "bgp", replace: true }).commit();
  console.log(`removed: ${(performance.now() - started).toFixed(0)} ms`);
  expect(node.dp.usage().tables.routes4.used).toBe(3);
  expect(await node.received("a", "20.1.134.159", 1)).toBe(0);
  expect(await node.received("a", pods.b.ipv4)).toBe(3);
});

test("a table that is full refuses the whole transaction and is named", async () => {
  await using node = await DataPlaneNode.start({ name: "full", open: { limits: { flows: 8192, routes: 1024 } } });
  await node.dp.apply(node.document());
  const transaction = node.dp.transaction();
  for (let i = 0; i < 1100; i++)
    transaction.put("routes", { vrf: "red", prefix: `20.0.${i >> 8}.${i & 255}/32`, via: "vb" });
  expect(transaction.commit()).rejects.toThrow(
    "Cannot apply the state: the table of IPv4 routes holds 1024, and 1103 are wanted; start the instance with a larger node.limits.routes",
  );
  expect(node.dp.usage().tables.routes4.used).toBe(3);
  expect(await node.received("a", pods.b.ipv4)).toBe(3);
});
