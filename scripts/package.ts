// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run package [-- FOLDER]`: makes the npm package `weir-VERSION.tgz` in FOLDER (default `dist`).
 *
 * It has JavaScript and declarations in the place of TypeScript: Deno refuses .ts below node_modules, and users
 * of the types should not check Weir's sources with their own settings. All paths are those of the checkout.
 */

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "./build/step.ts";
import { ASSETS } from "./build/steps.ts";
import { emitJavaScript } from "./package/emit.ts";
import { publishedManifest } from "./package/manifest.ts";
import { root } from "./root.ts";

const STAGE = root("build/package");
/** What is neither TypeScript nor compiled from it. */
const AS_IS = ["assets", "bpf", "LICENSE", "README.md"];

const target = resolve(process.argv[2] ?? root("dist"));
process.chdir(root());
try {
  await build(ASSETS, (line) => console.error(`build: ${line}`));
  rmSync(STAGE, { recursive: true, force: true });
  mkdirSync(STAGE, { recursive: true });
  mkdirSync(target, { recursive: true });
  emitJavaScript(STAGE);
  for (const path of AS_IS) cpSync(root(path), join(STAGE, path), { recursive: true });
  const manifest = publishedManifest(JSON.parse(readFileSync(root("package.json"), "utf8")));
  writeFileSync(join(STAGE, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  console.log(pack(STAGE, target));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

/** @returns the path of the tarball */
function pack(stage: string, destination: string): string {
  const command = [process.execPath, "pm", "pack", "--quiet", "--destination", destination];
  const result = Bun.spawnSync(command, { cwd: stage, stderr: "pipe" });
  if (!result.success) throw new Error(`Cannot pack "${stage}": ${result.stderr}`);
  return result.stdout.toString().trim();
}
