// SPDX-License-Identifier: Apache-2.0
/** What was loaded from an object file. */

import { WeirError } from "../errors.ts";
import { encodeVariable, type VariableSpec, variables } from "./constants.ts";
import type { BpfMap } from "./map.ts";
import type { Mapping } from "./map_memory.ts";
import type { Program } from "./program.ts";

/** A global variable of loaded programs: reads and writes go straight to their memory. */
export class Variable {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Its memory, little endian; not to be used after the collection is disposed. */
  readonly view: DataView;

  constructor(spec: VariableSpec, memory: ArrayBuffer) {
    this.name = spec.name;
    this.size = spec.size;
    this.view = new DataView(memory, spec.offset, spec.size);
  }

  /** Writes an integer that fits, or exactly its bytes. */
  set(value: number | bigint | Uint8Array): void {
    const bytes = encodeVariable(this.name, this.size, value);
    new Uint8Array(this.view.buffer, this.view.byteOffset, this.size).set(bytes);
  }
}

/** Maps and programs of one object file. Disposing closes them all; links and pins keep what they need. */
export class Collection implements Disposable {
  readonly name: string;
  readonly maps: ReadonlyMap<string, BpfMap>;
  readonly programs: ReadonlyMap<string, Program>;
  readonly #variables: ReadonlyMap<string, VariableSpec>;
  readonly #mappings = new Map<string, Mapping>();

  /** Takes over the maps and programs. */
  constructor(name: string, elf: Uint8Array, maps: Map<string, BpfMap>, programs: Map<string, Program>) {
    this.name = name;
    this.maps = maps;
    this.programs = programs;
    this.#variables = variables(elf, ".data", ".bss", ".rodata");
  }

  /** The map called `name`. @throws WeirError `ENOENT` */
  map(name: string): BpfMap {
    return this.maps.get(name) ?? this.#missing("map", name);
  }

  /** The program called `name`. @throws WeirError `ENOENT`, also if it was not loaded. */
  program(name: string): Program {
    return this.programs.get(name) ?? this.#missing("program", name);
  }

  /**
   * The global variable called `name`, live. Constants can be read only.
   * @throws WeirError `ENOENT`
   */
  variable(name: string): Variable {
    const spec = this.#variables.get(name) ?? this.#missing("variable", name);
    // libbpf's own pointer to the initial value is not the live page on 1.1: the map's descriptor is mapped.
    let mapping = this.#mappings.get(spec.section);
    if (mapping === undefined) {
      mapping = this.map(spec.section).mmap({ readOnly: spec.section.startsWith(".rodata") });
      this.#mappings.set(spec.section, mapping);
    }
    return new Variable(spec, mapping.view);
  }

  [Symbol.dispose](): void {
    for (const mapping of this.#mappings.values()) mapping[Symbol.dispose]();
    this.#mappings.clear();
    for (const map of this.maps.values()) map[Symbol.dispose]();
    for (const program of this.programs.values()) program[Symbol.dispose]();
  }

  #missing(what: string, name: string): never {
    throw new WeirError({
      code: "ENOENT",
      operation: `find ${what} "${name}" in "${this.name}"`,
      reason: "there is none",
    });
  }
}
