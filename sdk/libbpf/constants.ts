// SPDX-License-Identifier: Apache-2.0
/** Variables of an object file, by name. Where they lie is in the symbol table; BTF alone has no offsets before load. */

import { WeirError } from "../errors.ts";
import { elfSymbols, STT_OBJECT } from "./elf.ts";

/** Where a variable lies. */
export interface VariableSpec {
  readonly name: string;
  /** Map that holds it: `.rodata`, `.data`, `.bss`, or a longer name that starts with one of these. */
  readonly section: string;
  /** Bytes from the start of the map's value. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

/** The variables in the sections that start with `prefix`. */
export function variables(elf: Uint8Array, ...prefixes: readonly string[]): Map<string, VariableSpec> {
  const found = elfSymbols(elf).filter(
    ({ type, section }) => type === STT_OBJECT && prefixes.some((prefix) => section.startsWith(prefix)),
  );
  return new Map(found.map(({ name, section, offset, size }) => [name, { name, section, offset, size }]));
}

/** The bytes of `value` in a variable of `size` bytes, little endian. Negative numbers are two's complement. */
export function encodeVariable(name: string, size: number, value: number | bigint | Uint8Array): Uint8Array {
  const operation = `set variable "${name}"`;
  if (value instanceof Uint8Array) {
    if (value.byteLength === size) return value.slice();
    const reason = `${value.byteLength} bytes were given, it has ${size}`;
    throw new WeirError({ code: "EINVAL", operation, reason });
  }
  if (size > 8 || (typeof value === "number" && !Number.isSafeInteger(value))) {
    const reason = size > 8 ? `it has ${size} bytes` : `${value} is no integer`;
    throw new WeirError({ code: "EINVAL", operation, reason, hint: "give its bytes" });
  }
  const wide = BigInt(value);
  const bits = BigInt(size * 8);
  if (wide >= 1n << bits || wide < -(1n << (bits - 1n))) {
    throw new WeirError({ code: "ERANGE", operation, reason: `${value} does not fit into ${size} bytes` });
  }
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, wide), true);
  return bytes.slice(0, size);
}

/** The constants of an object file: `const volatile` variables, set before load. */
export class Constants {
  /** All of them, by name. */
  readonly specs: ReadonlyMap<string, VariableSpec>;
  readonly #values = new Map<string, Uint8Array>();

  constructor(elf: Uint8Array) {
    this.specs = variables(elf, ".rodata");
  }

  /**
   * Sets a constant for the loads that follow.
   * @param value an integer that fits, or exactly its bytes.
   * @throws WeirError `ENOENT` if there is none of that name, `ERANGE`, `EINVAL`.
   */
  set(name: string, value: number | bigint | Uint8Array): void {
    const spec = this.specs.get(name);
    if (spec === undefined) {
      const hint = "declare it `const volatile` and use it: the compiler drops what is not used";
      throw new WeirError({ code: "ENOENT", operation: `set constant "${name}"`, reason: "there is none", hint });
    }
    this.#values.set(name, encodeVariable(name, spec.size, value));
  }

  /** What was set, with its place. */
  *assigned(): Generator<VariableSpec & { value: Uint8Array }> {
    for (const [name, value] of this.#values) {
      const spec = this.specs.get(name);
      if (spec !== undefined) yield { ...spec, value };
    }
  }
}
