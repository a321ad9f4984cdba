// SPDX-License-Identifier: Apache-2.0
/** The rules of the layout that no compiler checks. */

import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { root } from "./root.ts";

/** From the bottom to the top: a file imports from its own folder and from the levels below. */
const LEVELS: readonly (readonly string[])[] = [
  ["sdk/runtime", "sdk/layout", "sdk/errors.ts", "sdk/address.ts"],
  ["sdk/libbpf", "sdk/xsk", "sdk/netlink", "sdk/store"],
  ["sdk/slowpath"],
  ["sdk/dataplane", "sdk/lab"],
  ["sdk/index.ts"],
  ["server"],
];
/** The lowest level is one: its parts may use each other. */
const SHARED_LEVEL = 0;
/** What the façade may use of the SDK: the four entries that package.json exports, and the lowest level. */
const ENTRIES = ["sdk/index.ts", "sdk/libbpf/index.ts", "sdk/netlink/index.ts", "sdk/lab/index.ts"];

const LONGEST_FILE = 400;
/** Generated: lists of what the headers in bpf/ declare. */
const LISTS = new Set(["sdk/layout/generated.ts", "wasm/layout.ts"]);

const sources = find("{sdk,server,wasm,bpf,scripts,tests,examples}/**/*.{ts,tsx,mjs,c,h,sh}");
const modules = find("{sdk,server}/**/*.{ts,tsx}").filter((path) => !/\.test\.tsx?$/.test(path));

function find(pattern: string): string[] {
  return [...new Bun.Glob(pattern).scanSync({ cwd: root() })].filter((path) => !path.includes("node_modules/")).sort();
}

function read(path: string): string {
  return readFileSync(root(path), "utf8");
}

/** Modules that a file names, types included; relative ones as paths from the root. */
function importsOf(path: string): string[] {
  const found = read(path).matchAll(/(?:^(?:import|export)\b[^"';]*?\bfrom\s+|^import\s+|\bimport\()"([^"]+)"/gm);
  return [...found].map(([, name = ""]) => (name.startsWith(".") ? normalize(join(dirname(path), name)) : name));
}

/** The folder or file of {@link LEVELS} that holds a path, and its level. */
function place(path: string): { part: string; level: number } | undefined {
  for (const [level, parts] of LEVELS.entries()) {
    const part = parts.find((candidate) => path === candidate || path.startsWith(`${candidate}/`));
    if (part !== undefined) return { part, level };
  }
  return undefined;
}

function mayImport(from: string, to: string): boolean {
  const [here, there] = [place(from), place(to)];
  if (here === undefined || there === undefined) return false;
  if (here.part === there.part) return true;
  if (here.part === "server" && there.level > SHARED_LEVEL) return ENTRIES.includes(to);
  return there.level < here.level || (here.level === SHARED_LEVEL && there.level === SHARED_LEVEL);
}

describe("dependencies", () => {
  test("point down only", () => {
    const wrong = modules.flatMap((path) =>
      importsOf(path)
        .filter((name) => /^(sdk|server|wasm|scripts|tests|examples)\//.test(name) && !mayImport(path, name))
        .map((name) => `${path} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test("have a place in the order of levels", () => {
    expect(modules.filter((path) => place(path) === undefined)).toEqual([]);
  });

  test("name files that exist, with their suffix", () => {
    const wrong = modules.flatMap((path) =>
      importsOf(path)
        .filter((name) => /^(sdk|server)\//.test(name) && !(/\.[jt]sx?$/.test(name) && existsSync(root(name))))
        .map((name) => `${path} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test("of an example are the package's own entries, as for a user of the package", () => {
    const wrong = find("examples/**/*.ts").flatMap((path) =>
      importsOf(path)
        .filter((name) => /^(sdk|server|wasm|scripts|tests)\//.test(name))
        .map((name) => `${path} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe("the runtime", () => {
  const outside = modules.filter((path) => !path.startsWith("sdk/runtime/"));

  test("is reached through sdk/runtime only", () => {
    expect(outside.filter((path) => importsOf(path).includes("bun:ffi") || /\bDeno\s*[.[]/.test(code(path)))).toEqual(
      [],
    );
  });

  test("may be Deno for all of the SDK, so that nothing there uses Bun's own API", () => {
    const bound = outside.filter((path) => path.startsWith("sdk/"));
    expect(bound.filter((path) => /\bBun\s*[.[]/.test(code(path)) || /"bun:/.test(code(path)))).toEqual([]);
  });

  test("takes the addresses of buffers in one place", () => {
    expect(outside.filter((path) => /\bUnsafePointer\b|\bptr\(/.test(code(path)))).toEqual([]);
  });

  /** Without comments, which may speak of anything. */
  function code(path: string): string {
    return read(path)
      .replace(/\/\*[\s\S]*?\*\//g, "")
      .replace(/(^|\s)\/\/.*$/gm, "");
  }
});

describe("a source file", () => {
  test(`has at most ${LONGEST_FILE} lines`, () => {
    const long = sources.filter((path) => !LISTS.has(path) && read(path).trimEnd().split("\n").length > LONGEST_FILE);
    expect(long).toEqual([]);
  });

  test("names its license in the first line", () => {
    const bare = sources.filter((path) => {
      const [first = "", second = ""] = read(path).split("\n");
      const line = first.startsWith("#!") ? second : first;
      const license = path.startsWith("bpf/") ? "(GPL-2.0-only OR BSD-2-Clause)" : "";
      return !line.includes(`SPDX-License-Identifier: ${license}`);
    });
    expect(bare).toEqual([]);
  });

  test("has no default export", () => {
    expect(sources.filter((path) => /\.(ts|tsx|mjs)$/.test(path) && /^export default\b/m.test(read(path)))).toEqual([]);
  });
});
