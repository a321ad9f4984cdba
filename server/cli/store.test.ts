// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { storeOf } from "./store.ts";

test("a store is a path, nothing, or the default", () => {
  expect(storeOf(undefined)).toBeUndefined();
  expect(storeOf("memory:")).toBe(false);
  expect(storeOf("sqlite:/var/lib/x.db")).toBe("/var/lib/x.db");
  expect(storeOf("sqlite:///var/lib/x.db")).toBe("/var/lib/x.db");
  expect(storeOf("x.db")).toBe(`${process.cwd()}/x.db`);
  for (const url of ["etcd://host:2379", "memory:x", "", "sqlite:"]) expect(() => storeOf(url)).toThrow("Cannot keep");
});
