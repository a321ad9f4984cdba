// SPDX-License-Identifier: Apache-2.0
/** Sizes, offsets and enum values, as the compiler laid them out: read from BTF. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Btf, type BtfMember } from "../../sdk/libbpf/btf.ts";
import { compileBpf } from "../clang.ts";
import { root } from "../root.ts";

/** A struct member. */
export interface Member {
  readonly name: string;
  /** C name of the type, of one element of an array: `__be16`, `__u32`, `struct xsk_ring`. */
  readonly type: string;
  /** Bytes from the start of the struct. */
  readonly offset: number;
  /** Elements of an array; 0: not an array. */
  readonly length: number;
  /** Bytes of one element. */
  readonly size: number;
}

export interface Types {
  struct(name: string): { readonly size: number; readonly members: readonly Member[] };
  enumValues(name: string): readonly { readonly name: string; readonly value: number }[];
}

const CONSTANTS = "layout_constants";
const CONSTANT_PREFIX = "layout_constant_";

/** Compiles `bpf/layout.bpf.c` together with the constants and reads the BTF of the result. */
export function readTypes(constants: readonly string[]): Types {
  // An enum makes the compiler evaluate each macro, whatever expression it stands for.
  const values = constants.map((name) => `\t${CONSTANT_PREFIX}${name} = ${name},\n`).join("");
  const text = `#include "layout.bpf.c"\nenum ${CONSTANTS} {\n${values}};\nenum ${CONSTANTS} layout_used;\n`;
  const directory = mkdtempSync(join(tmpdir(), "weir-layout-"));
  try {
    const output = join(directory, "layout.o");
    compileBpf({ source: root("bpf/layout.bpf.c"), text, output });
    return typesOf(Btf.fromElf(readFileSync(output)));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The evaluated constants, by name. */
export function constantValues(types: Types): ReadonlyMap<string, number> {
  const values = types.enumValues(CONSTANTS);
  return new Map(values.map(({ name, value }) => [name.slice(CONSTANT_PREFIX.length), value]));
}

function typesOf(btf: Btf): Types {
  return {
    struct: (name) => {
      const { size, members } = declared(name, () => btf.struct(name));
      return { size, members: members.map((member) => readMember(btf, member)) };
    },
    enumValues: (name) =>
      declared(name, () => btf.enum(name)).values.map((item) => ({ name: item.name, value: Number(item.value) })),
  };
}

function readMember(btf: Btf, { name, typeId, offset }: BtfMember): Member {
  const outer = btf.type(typeId);
  const elementId = outer.kind === "array" ? outer.typeId : typeId;
  const element = btf.type(elementId);
  return {
    name,
    type: element.kind === "struct" ? `struct ${element.name}` : element.name,
    offset,
    length: outer.kind === "array" ? outer.length : 0,
    size: btf.sizeOf(elementId),
  };
}

function declared<T>(name: string, find: () => T): T {
  try {
    return find();
  } catch (cause) {
    throw new Error(`Cannot find "${name}" in BTF; add a variable of it to bpf/layout.bpf.c`, { cause });
  }
}
