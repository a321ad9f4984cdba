// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as generated from "../sdk/layout/generated.ts";
import type { Layout } from "../sdk/layout/index.ts";
import { HEADERS } from "./layouts/model.ts";
import { generateLayouts } from "./layouts.ts";
import { root } from "./root.ts";

describe("the generated layouts", () => {
  test("are up to date with the headers", () => {
    for (const [path, text] of generateLayouts()) {
      const stale = readFileSync(root(path), "utf8") === text ? "" : `${path} is stale: bun run scripts/layouts.ts`;
      expect(stale).toBe("");
    }
  });

  test("have the sizes and offsets that a C program prints", () => {
    const structs = typescriptLayouts();
    expect(structs.size).toBeGreaterThan(20);
    const queries = [...structs].flatMap(([name, { offsets }]) => [
      `sizeof(struct ${name})`,
      ...Object.keys(offsets).map((field) => `offsetof(struct ${name}, ${field})`),
    ]);
    const answers = evaluateInC(queries);
    for (const [name, { size, offsets }] of structs) {
      expect(answers.get(`sizeof(struct ${name})`), name).toBe(size);
      for (const [field, offset] of Object.entries(offsets)) {
        expect(answers.get(`offsetof(struct ${name}, ${field})`), `${name}.${field}`).toBe(offset);
      }
    }
  });

  test("give AssemblyScript the same numbers as TypeScript", () => {
    const constants = assemblyScriptConstants();
    for (const [name, { size, offsets }] of typescriptLayouts()) {
      expect(constants.get(`${name.toUpperCase()}_SIZE`)).toBe(size);
      for (const [field, offset] of Object.entries(offsets)) {
        const constant = `${name}_${field}`.toUpperCase();
        expect(constants.get(`${constant}_OFFSET`) ?? constants.get(constant), constant).toBe(offset);
      }
    }
    expect(constants.get("DROP_NO_ROUTE")).toBe(generated.DropReasonValue["no-route"]);
    expect(constants.get("WEIR_TRAP_MAGIC")).toBe(generated.WEIR_TRAP_MAGIC);
  });

  test("have the constants' values that a C program prints", () => {
    const names = Object.keys(generated).filter((name) => /^[A-Z0-9_]+$/.test(name));
    expect(names.length).toBeGreaterThan(20);
    const answers = evaluateInC(names);
    const values = new Map<string, unknown>(Object.entries(generated));
    for (const name of names) expect(values.get(name), name).toBe(answers.get(name));
  });
});

/** The layouts of generated.ts under their C names. */
function typescriptLayouts(): Map<string, { size: number; offsets: Record<string, number> }> {
  const found = new Map<string, { size: number; offsets: Record<string, number> }>();
  for (const [name, value] of Object.entries(generated)) {
    if (!name.endsWith("Layout")) continue;
    const { size, offsets } = value as Layout<Record<string, never>>;
    const fields = Object.entries(offsets).map(([field, offset]) => [snakeCase(field), offset]);
    found.set(snakeCase(name.slice(0, -"Layout".length)), { size, offsets: Object.fromEntries(fields) });
  }
  return found;
}

function assemblyScriptConstants(): Map<string, number> {
  const text = readFileSync(root("wasm/layout.ts"), "utf8");
  const matches = text.matchAll(/^export const (\w+): (?:u32|usize) = (\w+);$/gm);
  const entries = [...matches].map(([, name, value]) => [name ?? "", Number(value)] as const);
  expect(new Set(entries.map(([name]) => name)).size).toBe(entries.length);
  return new Map(entries);
}

/** Runs a C program that includes the headers: an oracle that knows nothing of BTF. */
function evaluateInC(expressions: readonly string[]): Map<string, number> {
  const lines = expressions.map((expression) => `\tprintf("%lu\\n", (unsigned long)(${expression}));`);
  const source = [
    "#include <stddef.h>",
    "#include <stdio.h>",
    ...HEADERS.map((path) => `#include "${root(path)}"`),
    `int main(void) {\n${lines.join("\n")}\n}`,
  ].join("\n");
  const directory = mkdtempSync(join(tmpdir(), "weir-oracle-"));
  try {
    const program = join(directory, "oracle");
    const compiled = Bun.spawnSync(["clang", "-x", "c", "-", "-o", program], { stdin: Buffer.from(source) });
    expect(compiled.stderr.toString()).toBe("");
    const printed = Bun.spawnSync([program]).stdout.toString().trim().split("\n").map(Number);
    return new Map(expressions.map((expression, index) => [expression, printed[index] ?? Number.NaN]));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
