// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "bun:test";
import { compileModule, instantiate } from "./module.ts";

test("nothing on the packet path allocates memory", () => {
  const { text } = compileModule();
  expect(text).not.toMatch(/__new|__alloc|__renew|memory\.grow/);
});

test("the module imports its memory and nothing else", () => {
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(compileModule().wasm));
  expect(imports).toEqual([{ module: "env", name: "memory", kind: "memory" }]);
});

test("one module serves memories of every size", () => {
  for (const pages of [1, 100, 5000]) {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    expect(typeof instantiate(memory).poll).toBe("function");
  }
});
