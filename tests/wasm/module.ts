// SPDX-License-Identifier: Apache-2.0
/** The slow path's module compiled for tests: with the exports of wasm/testing.ts. */

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/root.ts";

/** What the test module exports. */
export interface TestModule {
  start(control: number): void;
  poll(budget: number): number;
  sleep(): number;
  applied(): void;
  kicks(): number;
  checksum(address: number, length: number): number;
  pseudoChecksum(addresses: number, addressBytes: number, protocol: number, at: number, length: number): number;
  parse(packet: number, length: number, l3Offset: number): number;
  parseKey(version: number, key: number): void;
  hasPorts(): number;
  family(): number;
  protocol(): number;
  sourcePort(): number;
  destinationPort(): number;
  icmp(): number;
  fragment(): number;
  upperLayer(): number;
  addresses(to: number): void;
  judge(packet: number, length: number): number;
  rule(): number;
  mirror(): number;
  judgeAll(packets: number, count: number, length: number): number;
}

/** Compiles wasm/index.ts and wasm/testing.ts; the result is kept by the content of the sources. */
export function compileModule(): { wasm: Uint8Array<ArrayBuffer>; text: string } {
  const files = readdirSync(root("wasm"), { encoding: "utf8", recursive: true })
    .filter((file) => file.endsWith(".ts"))
    .sort();
  const hash = Bun.hash(files.map((file) => readFileSync(root("wasm", file), "utf8")).join("\0")).toString(16);
  const output = root("build", `test-slowpath-${hash}`);
  if (!existsSync(`${output}.wasm`)) {
    mkdirSync(root("build"), { recursive: true });
    compile("wasm/testing.ts", output);
  }
  return {
    wasm: new Uint8Array(readFileSync(`${output}.wasm`)),
    text: readFileSync(`${output}.wat`, "utf8"),
  };
}

/** A module of another source, with the same options, in WebAssembly's text format. */
export function compileText(source: string): string {
  const folder = mkdtempSync(join(root("build"), "test-module-"));
  try {
    writeFileSync(join(folder, "index.ts"), source);
    compile(join(folder, "index.ts"), join(folder, "module"));
    return readFileSync(join(folder, "module.wat"), "utf8");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Makes `output`.wasm and `output`.wat. */
function compile(source: string, output: string): void {
  const compiler = [process.execPath, "node_modules/assemblyscript/bin/asc.js", "--config", "wasm/asconfig.json"];
  const files = [source, "--outFile", `${output}.wasm`, "--textFile", `${output}.wat`];
  const result = Bun.spawnSync([...compiler, "--target", "release", ...files], { cwd: root() });
  if (!result.success) throw new Error(`Cannot compile ${source}: ${result.stdout}${result.stderr}`);
}

// Here and not in the first test, whose time it would use up.
const compiled = new WebAssembly.Module(compileModule().wasm);

export function instantiate(memory: WebAssembly.Memory): TestModule {
  return new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as TestModule;
}
