// SPDX-License-Identifier: Apache-2.0
/** A linear evaluation of rules in WebAssembly: see wasm/linear.ts. */

import { mkdirSync, readFileSync } from "node:fs";
import { root } from "../../../scripts/root.ts";
import type { BenchRule, Network } from "./rule_sets.ts";

const PAGE = 65_536;
const RULE_WORDS = 9;
/** Behind the module's static data. */
const START = PAGE;
const PROTOCOLS = { tcp: 6, udp: 17, any: 0xffff_ffff } as const;

interface Module {
  bind(rules: number, count: number, prefixes: number): void;
  judge(packet: number, length: number): number;
}

/** Compiles the module. */
export function compileLinear(): WebAssembly.Module {
  const output = root("build/bench/linear.wasm");
  mkdirSync(root("build/bench"), { recursive: true });
  const compiler = [process.execPath, "node_modules/assemblyscript/bin/asc.js", "--config", "wasm/asconfig.json"];
  const files = ["tests/bench/wasm/linear.ts", "--outFile", output];
  const result = Bun.spawnSync([...compiler, "--target", "release", ...files], { cwd: root() });
  if (!result.success) throw new Error(`Cannot compile the linear evaluation: ${result.stderr}`);
  return new WebAssembly.Module(readFileSync(output));
}

/** Rules in a memory of their own; packets are written by the caller. */
export class LinearRules {
  readonly memory: WebAssembly.Memory;
  /** Where packets may be written. */
  readonly packets: number;
  readonly #module: Module;

  constructor(module: WebAssembly.Module, rules: readonly BenchRule[], packetBytes: number) {
    const prefixes = rules.reduce((sum, { from, to }) => sum + from.length + to.length, 0);
    const prefixesAt = START + rules.length * RULE_WORDS * 4;
    this.packets = Math.ceil((prefixesAt + prefixes * 8) / PAGE) * PAGE;
    const pages = Math.ceil((this.packets + packetBytes) / PAGE);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    writeRules(new Uint32Array(this.memory.buffer), START >> 2, prefixesAt >> 2, rules);
    this.#module = new WebAssembly.Instance(module, { env: { memory: this.memory } }).exports as unknown as Module;
    this.#module.bind(START, rules.length, prefixesAt);
  }

  judge(packet: number, length: number): number {
    return this.#module.judge(packet, length);
  }
}

function writeRules(words: Uint32Array, rulesAt: number, prefixesAt: number, rules: readonly BenchRule[]): void {
  let next = 0;
  const list = (networks: readonly Network[]): [number, number] => {
    const first = next;
    for (const { address, length } of networks) {
      words[prefixesAt + next * 2] = address;
      words[prefixesAt + next * 2 + 1] = length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
      next++;
    }
    return [first, networks.length];
  };
  for (const [i, rule] of rules.entries()) {
    const fields = [PROTOCOLS[rule.proto], ...list(rule.from), ...list(rule.to), ...rule.sourcePorts, ...rule.ports];
    words.set(fields, rulesAt + i * RULE_WORDS);
  }
}
