// SPDX-License-Identifier: Apache-2.0
/** Compiles the kernel programs' C sources. */

import { existsSync } from "node:fs";
import { root } from "./root.ts";

/**
 * Flags of every BPF compilation; `-g` for BTF, `v3` for 32-bit jumps and atomics (Linux 5.12).
 * A warning of a newer compiler must not stop anybody's build: `npm run check` adds `-Werror`.
 */
const FLAGS = ["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wextra"];

/**
 * Debian and Ubuntu keep `asm/types.h` below the machine's own triplet, where `-target bpf` does
 * not look; and what glibc's headers choose by the machine's macro is 32-bit without it.
 */
function machineFlags(): string[] {
  const [triplet, macro] =
    process.arch === "arm64" ? ["aarch64-linux-gnu", "__aarch64__"] : ["x86_64-linux-gnu", "__x86_64__"];
  const directory = `/usr/include/${triplet}`;
  return [`-D${macro}`, ...(existsSync(directory) ? ["-isystem", directory] : [])];
}

/** The command that compiles `input` for BPF; `CLANG` in the environment names another compiler. */
export function bpfCommand(...input: readonly string[]): string[] {
  return [process.env["CLANG"] ?? "clang", ...FLAGS, ...machineFlags(), "-I", root("bpf"), ...input];
}

/**
 * Compiles one BPF object.
 * @param source path of the C file, or what to call its `text` (whose includes are found in `bpf/`)
 * @throws with the compiler's own words
 */
export function compileBpf(o: { source: string; output: string; text?: string; flags?: readonly string[] }): void {
  const input = o.text === undefined ? [o.source] : ["-x", "c", "-"];
  const result = Bun.spawnSync(bpfCommand(...(o.flags ?? []), "-c", ...input, "-o", o.output), {
    stdin: o.text === undefined ? "ignore" : Buffer.from(o.text),
  });
  if (!result.success) {
    throw new Error(`Cannot compile "${o.source}": clang ended with ${result.exitCode}\n${result.stderr}`);
  }
}
