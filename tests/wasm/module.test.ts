// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { waysToAllocate } from "../../scripts/build/allocation_free.ts";
import { root } from "../../scripts/root.ts";
import { compileModule, compileText, instantiate } from "./module.ts";

test("nothing on the packet path can allocate memory", () => {
  expect(waysToAllocate(compileModule().text)).toBeUndefined();
});

test.each([
  ["an object", "export function f(): usize { return changetype<usize>(new Uint8Array(8)); }", "runtime"],
  ["pages", "export function f(): i32 { return memory.grow(1); }", "memory.grow"],
  [
    "a foreign function",
    '@external("env", "now") declare function now(): f64; export function f(): f64 { return now(); }',
    '"now"',
  ],
])("the build refuses a module that asks for %s", (_what, source, why) => {
  expect(waysToAllocate(compileText(source))).toContain(why);
});

test("the module that is shipped imports its memory and nothing else", () => {
  const shipped = new WebAssembly.Module(readFileSync(root("assets/slowpath.wasm")));
  for (const module of [shipped, new WebAssembly.Module(compileModule().wasm)]) {
    expect(WebAssembly.Module.imports(module)).toEqual([{ module: "env", name: "memory", kind: "memory" }]);
  }
});

test("one module serves memories of every size", () => {
  for (const pages of [1, 100, 5000]) {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    expect(typeof instantiate(memory).poll).toBe("function");
  }
});
