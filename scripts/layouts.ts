// SPDX-License-Identifier: Apache-2.0
/**
 * Generates everything that follows from the structs in bpf/*.h. Run after a change there:
 * `bun run scripts/layouts.ts`; `npm run build` does it too, and a test fails if it was forgotten.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { writeAssemblyScript } from "./layouts/assemblyscript.ts";
import { writeDropReasons } from "./layouts/drop_reasons.ts";
import { readModel } from "./layouts/model.ts";
import { writeTypeScript } from "./layouts/typescript.ts";
import { root } from "./root.ts";

/** The generated files: path in the repository and text. */
export function generateLayouts(): ReadonlyMap<string, string> {
  const headers = readModel();
  return new Map([
    ["sdk/layout/generated.ts", writeTypeScript(headers)],
    ["wasm/layout.ts", writeAssemblyScript(headers)],
    ["docs/drop-reasons.md", writeDropReasons(headers)],
  ]);
}

/** Writes those that differ. Returns their paths. */
export function updateLayouts(): string[] {
  const changed: string[] = [];
  for (const [path, text] of generateLayouts()) {
    if (readText(root(path)) === text) continue;
    mkdirSync(dirname(root(path)), { recursive: true });
    writeFileSync(root(path), text);
    changed.push(path);
  }
  return changed;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

if (import.meta.main) {
  const changed = updateLayouts();
  console.log(changed.length === 0 ? "Layouts are up to date" : `Wrote ${changed.join(", ")}`);
}
