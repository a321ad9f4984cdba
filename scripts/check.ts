// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run check`: format, lint and types of all languages. `npm run format` (`--write`) mends
 * what can be mended. Runs everything, so that one run shows all that is wrong.
 */

import { bpfCommand } from "./clang.ts";
import { root } from "./root.ts";

const write = process.argv.includes("--write");

interface Check {
  readonly name: string;
  readonly command: readonly string[];
}

function files(...patterns: readonly string[]): string[] {
  const found = patterns.flatMap((pattern) => [...new Bun.Glob(pattern).scanSync({ cwd: root(), dot: true })]);
  return found.filter((path) => !path.includes("node_modules/")).sort();
}

/** Debian's and Ubuntu's numbered name: major versions differ in what they write. */
const clangFormat = Bun.which("clang-format-14") ?? "clang-format";

const checks: readonly Check[] = [
  {
    name: "biome (TypeScript: format and lint)",
    command: [
      "node_modules/.bin/biome",
      "check",
      "--error-on-warnings",
      "--diagnostic-level=warn",
      ...(write ? ["--write"] : []),
      ".",
    ],
  },
  { name: "tsc (types)", command: ["node_modules/.bin/tsc", "-p", "."] },
  // What runs under Deno, with the types of Deno, which tsc does not have.
  {
    name: "deno (types)",
    command: [
      "node_modules/.bin/deno",
      "check",
      "--quiet",
      "sdk/runtime/deno.ts",
      "sdk/index.ts",
      "tests/deno/pods.ts",
    ],
  },
  {
    name: "clang-format (C)",
    command: [
      clangFormat,
      ...(write ? ["-i"] : ["--dry-run", "-Werror", "--ferror-limit=1"]),
      ...files("bpf/**/*.{c,h}", "tests/**/*.{c,h}", "examples/**/*.{c,h}"),
    ],
  },
  { name: "clang (warnings)", command: bpfCommand("-Werror", "-fsyntax-only", ...files("bpf/*.bpf.c")) },
  { name: "shellcheck (shell)", command: ["shellcheck", ...files(".ci/run", "tests/**/*.sh", "scripts/**/*.sh")] },
];

process.chdir(root());
const failed: string[] = [];
for (const { name, command } of checks) {
  if (command[0] === "shellcheck" && (command.length === 1 || Bun.which("shellcheck") === null)) continue;
  const started = performance.now();
  const result = Bun.spawnSync([...command], { stdout: "inherit", stderr: "inherit" });
  if (!result.success) failed.push(name);
  console.log(
    `${result.success ? "ok    " : "FAILED"} ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`,
  );
}
if (failed.length > 0) {
  console.error(`Check failed: ${failed.join(", ")}; "npm run format" mends what can be mended`);
  process.exitCode = 1;
}
