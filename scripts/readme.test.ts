// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { fillExamples, shownExamples } from "./readme.ts";
import { root } from "./root.ts";

const readme = readFileSync(root("README.md"), "utf8");

describe("the README", () => {
  test("shows the first controller as the tests run it", () => {
    expect(shownExamples(readme)).toContain("examples/first-controller/main.ts");
    expect(fillExamples(readme) === readme ? "" : "README.md is stale: bun run scripts/readme.ts").toBe("");
  });

  test("shows a controller that fits on a screen", () => {
    const code = /examples\/first-controller\/main\.ts -->\n```ts\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
    const lines = code.split("\n").filter((line) => line.trim() !== "" && !/^\s*(\/\/|\/?\*)/.test(line));
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.length).toBeLessThanOrEqual(20);
  });

  test("names npm scripts that exist", () => {
    const { scripts } = JSON.parse(readFileSync(root("package.json"), "utf8")) as { scripts: Record<string, string> };
    const named = [...readme.matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1] ?? "");
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  test("links to files that exist", () => {
    const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map((match) => match[1] ?? "");
    expect(links.filter((link) => !existsSync(root(link)))).toEqual([]);
  });

  test("names folders and files to begin with that exist", () => {
    const rows = [...readme.matchAll(/^\| (`[^|]*\/`[^|]*)\|[^|]*\| ([^|]*)\|$/gm)];
    expect(rows.length).toBeGreaterThan(8);
    const missing = rows.flatMap(([, folders = "", files = ""]) => {
      const bases = quoted(folders);
      const base = bases.length === 1 ? (bases[0] ?? "") : "sdk/";
      return [...bases, ...quoted(files).map((file) => `${base}${file}`)].filter((path) => !existsSync(root(path)));
    });
    expect(missing).toEqual([]);
  });
});

function quoted(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");
}
