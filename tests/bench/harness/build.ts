// SPDX-License-Identifier: Apache-2.0
/** Compiles the measuring programs into build/bench; only what is older than its sources. */

import { mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { compileBpf } from "../../../scripts/clang.ts";
import { root } from "../../../scripts/root.ts";
import { run } from "./process.ts";

const BENCH = root("tests/bench");
const OUTPUT = root("build/bench");

/** Programs in tests/bench/c and the libraries that each needs. */
const PROGRAMS = {
  packet_generator: ["-lbpf"],
  flow_generator: [],
  packet_sink: ["-lbpf"],
  tcp_stream: [],
  xsk_receiver: ["-lxdp", "-lbpf"],
} as const satisfies Record<string, readonly string[]>;

/** Kernel objects from tests/bench/bpf. */
const OBJECTS = ["generator", "sink", "fib_forward", "xsk_redirect", "weir_bench", "tunnel_bench"] as const;

export type ProgramName = keyof typeof PROGRAMS;
export type ObjectName = (typeof OBJECTS)[number];

/** Path of a compiled measuring program. */
export function program(name: ProgramName): string {
  return join(OUTPUT, name);
}

/** Path of a compiled kernel object. */
export function object(name: ObjectName): string {
  return join(OUTPUT, `${name}.bpf.o`);
}

/** Compiles the named programs and objects. */
export async function build(programs: readonly ProgramName[], objects: readonly ObjectName[]): Promise<void> {
  mkdirSync(OUTPUT, { recursive: true });
  const headers = newest(join(BENCH, "c"), join(BENCH, "bpf"), root("bpf"));
  for (const name of programs) {
    if (modified(program(name)) > headers) continue;
    const source = join(BENCH, "c", `${name}.c`);
    await run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", source, "-o", program(name), ...PROGRAMS[name]]);
  }
  for (const name of objects) {
    if (modified(object(name)) > headers) continue;
    const source = join(BENCH, "bpf", `${name}.bpf.c`);
    compileBpf({ source, output: object(name), flags: ["-Wno-unused-parameter"] });
  }
}

/** Milliseconds of the last change; 0: not there. */
function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function newest(...folders: string[]): number {
  const files = folders.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
  return Math.max(...files.map(modified));
}
