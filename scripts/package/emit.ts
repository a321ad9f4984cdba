// SPDX-License-Identifier: Apache-2.0
/** JavaScript and declarations from the sources of sdk and server. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../root.ts";

/**
 * Emits to the same paths below `stage`. Types are not checked: that is `npm run check`'s, which knows that
 * sdk/runtime/deno.ts needs other types than the rest.
 */
export function emitJavaScript(stage: string): void {
  const project = {
    extends: root("tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      noCheck: true,
      declaration: true,
      rewriteRelativeImportExtensions: true,
      rootDir: root(),
      outDir: stage,
      typeRoots: [root("node_modules/@types")],
    },
    include: [root("sdk"), root("server")],
    exclude: [root("**/*.test.ts"), root("**/testing")],
  };
  const file = root("build/package.tsconfig.json");
  writeFileSync(file, JSON.stringify(project, null, 2));
  const result = Bun.spawnSync([root("node_modules/.bin/tsc"), "--project", file], { stdout: "pipe" });
  if (!result.success) throw new Error(`Cannot emit JavaScript: ${result.stdout}`);
  for (const declaration of new Bun.Glob("**/*.d.ts").scanSync({ cwd: stage })) {
    rewriteSpecifiers(join(stage, declaration));
  }
}

/** tsc rewrites the suffixes in JavaScript and leaves those in declarations, where only it itself understands them. */
function rewriteSpecifiers(path: string): void {
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.replace(/\b(from |import\()"(\.[^"]+)\.tsx?"/g, '$1"$2.js"'));
}
