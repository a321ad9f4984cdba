// SPDX-License-Identifier: Apache-2.0
/** Compiles a small test object from C with clang. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MULTIARCH = process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu";

/** The object file made from `tests/kernel/bpf/NAME.bpf.c`. */
export function compileObject(name: string, ...flags: readonly string[]): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), "weir-test-"));
  try {
    const source = new URL(`./bpf/${name}.bpf.c`, import.meta.url).pathname;
    const object = join(directory, `${name}.o`);
    const args = ["-O2", "-g", "-Wall", "-target", "bpf", "-mcpu=v3", `-I/usr/include/${MULTIARCH}`];
    const { status, stderr } = spawnSync("clang", [...args, ...flags, "-c", source, "-o", object], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`clang: ${stderr}`);
    return new Uint8Array(readFileSync(object));
  } finally {
    rmSync(directory, { recursive: true });
  }
}
