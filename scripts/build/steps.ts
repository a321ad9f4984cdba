// SPDX-License-Identifier: Apache-2.0
/** What is built from what. */

import { mkdirSync, readFileSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { compileBpf } from "../clang.ts";
import { updateLayouts } from "../layouts.ts";
import { root } from "../root.ts";
import { waysToAllocate } from "./allocation_free.ts";
import type { Step } from "./step.ts";

const SELF = ["scripts/build/*.ts", "scripts/clang.ts"];

/** Typed codecs and offsets, from the structs in C. Committed, since readers and editors want them. */
const layouts: Step = {
  name: "layouts",
  inputs: [
    "bpf/*_abi.h",
    "bpf/layout.bpf.c",
    "scripts/layouts.ts",
    "scripts/layouts/*.ts",
    "sdk/layout/generated.ts",
    "wasm/layout.ts",
  ],
  outputs: ["sdk/layout/generated.ts", "wasm/layout.ts", "docs/drop-reasons.md"],
  run: () => {
    updateLayouts();
  },
};

/** The kernel programs: one object for every kernel that Weir supports. */
const kernelObject: Step = {
  name: "assets/weir.bpf.o",
  inputs: ["bpf/**/*.{c,h}", ...SELF],
  outputs: ["assets/weir.bpf.o"],
  run: () => atomically("assets/weir.bpf.o", (output) => compileBpf({ source: root("bpf/weir.bpf.c"), output })),
};

/** Runs several XDP programs on one device. */
const dispatcher: Step = {
  name: "assets/xdp_dispatcher.bpf.o",
  inputs: ["bpf/xdp_dispatcher.bpf.c", ...SELF],
  outputs: ["assets/xdp_dispatcher.bpf.o"],
  run: () =>
    atomically("assets/xdp_dispatcher.bpf.o", (output) =>
      compileBpf({ source: root("bpf/xdp_dispatcher.bpf.c"), output }),
    ),
};

/** The slow path; its memory is made by the SDK, its flags are in wasm/asconfig.json. */
const slowPath: Step = {
  name: "assets/slowpath.wasm",
  inputs: ["wasm/**/*.{ts,json}", "package-lock.json", ...SELF],
  outputs: ["assets/slowpath.wasm"],
  run: () =>
    atomically("assets/slowpath.wasm", (output) => {
      // As a program, not by its API: the compiler's types declare globals that contradict Bun's.
      const options = ["--config", "wasm/asconfig.json", "--target", "release", "--outFile", output];
      const text = root("build/slowpath.wat");
      execute("wasm", [process.execPath, "node_modules/assemblyscript/bin/asc.js", ...options, "--textFile", text]);
      const way = waysToAllocate(readFileSync(text, "utf8"));
      if (way !== undefined) throw new Error(`Cannot build "assets/slowpath.wasm": ${way}; its packet path must not`);
    }),
};

/** One file with the runtime, the SDK, the command and the assets in it; it needs libbpf.so.1 and nothing else. */
const binary: Step = {
  name: "dist/weir",
  inputs: ["sdk/**/*.ts", "server/**/*", "assets/*", "package.json", "package-lock.json", ...SELF],
  outputs: ["dist/weir"],
  run: () =>
    atomically("dist/weir", (output) => {
      const entries = ["server/cli/main.ts", "sdk/dataplane/controller/worker.ts"];
      // A privileged program must not read .env or bunfig.toml of the folder it is started in.
      const safety = ["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"];
      const shape = ["--minify", "--sourcemap", "--bytecode", "--format=esm", "--asset", "assets"];
      const command = [process.execPath, "build", "--compile", ...shape, ...safety, ...entries, "--outfile", output];
      execute("dist/weir", command);
    }),
};

/** What the SDK loads when it runs from the sources. */
export const ASSETS: readonly Step[] = [layouts, kernelObject, dispatcher, slowPath];
export const ALL: readonly Step[] = [...ASSETS, binary];

/** A reader sees the old file or the new one, never half of it. */
async function atomically(path: string, write: (output: string) => void | Promise<void>): Promise<void> {
  const output = root("build", path.replaceAll("/", "-"));
  mkdirSync(dirname(output), { recursive: true });
  mkdirSync(dirname(root(path)), { recursive: true });
  await write(output);
  renameSync(output, root(path));
}

function execute(what: string, command: readonly string[]): void {
  const result = Bun.spawnSync([...command], { cwd: root() });
  if (!result.success)
    throw new Error(`Cannot build "${what}": status ${result.exitCode}\n${result.stdout}${result.stderr}`);
}
