// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { kinds as sdkKinds } from "../sdk/index.ts";
import { findKind, kinds } from "./kinds.ts";

test("the kinds that are served are those that the SDK has, besides the one node", () => {
  const served = kinds.filter(({ available }) => available).map(({ plural }) => plural);
  expect(served.sort()).toEqual(sdkKinds.filter((kind) => kind !== "node").sort());
});

test("a kind is found by its plural and its singular name", () => {
  expect(findKind("policies")).toBe(findKind("policy") as never);
  expect(findKind("cows")).toBeUndefined();
});
