// SPDX-License-Identifier: Apache-2.0
/** Keeps the code in README.md equal to the examples that the tests run: `bun run scripts/readme.ts`. */

import { readFileSync, writeFileSync } from "node:fs";
import { root } from "./root.ts";

/** A comment that names a file, and the code block that follows it. */
const BLOCK = /(<!-- (\S+\.ts) -->\n```ts\n)[\s\S]*?(```)/g;

/** @returns the text with every block replaced by what its file has below the license line */
export function fillExamples(text: string): string {
  return text.replace(BLOCK, (_, opening: string, path: string, closing: string) => {
    const code = readFileSync(root(path), "utf8").replace(/^(#!.*\n)?\/\/ SPDX-License-Identifier: .*\n+/, "");
    return `${opening}${code}${closing}`;
  });
}

/** Files that the text shows. */
export function shownExamples(text: string): string[] {
  return [...text.matchAll(BLOCK)].map((match) => match[2] ?? "");
}

if (import.meta.main) {
  const text = readFileSync(root("README.md"), "utf8");
  const filled = fillExamples(text);
  if (filled !== text) writeFileSync(root("README.md"), filled);
  console.log(filled === text ? "README.md is up to date" : "Wrote README.md");
}
