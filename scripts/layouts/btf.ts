// SPDX-License-Identifier: Apache-2.0
/** Sizes, offsets and enum values, as the compiler laid them out: read from BTF. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileBpf } from "../clang.ts";
import { root } from "../root.ts";

interface RawMember {
  readonly name: string;
  readonly type_id: number;
  readonly bits_offset: number;
}

interface RawType {
  readonly id: number;
  readonly kind: string;
  readonly name: string;
  readonly size: number;
  readonly type_id: number;
  readonly nr_elems: number;
  readonly members: readonly RawMember[];
  readonly values: readonly { readonly name: string; readonly val: number }[];
}

/** A struct member; `type` is the C name: `__be16`, `__u32`, `struct xsk_ring`. */
export interface Member {
  readonly name: string;
  readonly type: string;
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

/** Compiles `bpf/layout.bpf.c` together with the constants and reads the BTF of the result. */
export function readTypes(constants: readonly string[]): Types {
  // An enum makes the compiler evaluate each macro, whatever expression it stands for.
  const values = constants.map((name) => `\tlayout_constant_${name} = ${name},\n`).join("");
  const text = `#include "layout.bpf.c"\nenum ${CONSTANTS} {\n${values}};\nenum ${CONSTANTS} layout_constants_used;\n`;
  const directory = mkdtempSync(join(tmpdir(), "weir-layout-"));
  try {
    const output = join(directory, "layout.o");
    compileBpf({ source: root("bpf/layout.bpf.c"), text, output });
    return index(parse(output));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The evaluated constants, by name. */
export function constantValues(types: Types): ReadonlyMap<string, number> {
  const values = types.enumValues(CONSTANTS);
  return new Map(values.map(({ name, value }) => [name.replace("layout_constant_", ""), value]));
}

function parse(object: string): readonly RawType[] {
  const result = Bun.spawnSync(["bpftool", "btf", "dump", "file", object, "format", "raw", "-j"]);
  if (!result.success) throw new Error(`Cannot read the BTF of "${object}": ${result.stderr}`);
  return (JSON.parse(result.stdout.toString()) as { types: RawType[] }).types;
}

function index(raw: readonly RawType[]): Types {
  const byId = new Map(raw.map((type) => [type.id, type]));
  const byName = new Map(raw.map((type) => [`${type.kind} ${type.name}`, type]));
  const type = (id: number): RawType => {
    const found = byId.get(id);
    if (found === undefined) throw new Error(`Cannot find BTF type ${id}`);
    return found;
  };
  const named = (kind: string, name: string): RawType => {
    const found = byName.get(`${kind} ${name}`);
    if (found === undefined)
      throw new Error(`Cannot find ${kind.toLowerCase()} ${name} in BTF; use it in bpf/layout.bpf.c`);
    return found;
  };
  const sizeOf = (id: number): number => {
    const found = type(id);
    return found.kind === "TYPEDEF" ? sizeOf(found.type_id) : found.size;
  };
  const member = (raw: RawMember): Member => {
    const outer = type(raw.type_id);
    const array = outer.kind === "ARRAY";
    const elementId = array ? outer.type_id : raw.type_id;
    const element = type(elementId);
    return {
      name: raw.name,
      type: element.kind === "STRUCT" ? `struct ${element.name}` : element.name,
      offset: raw.bits_offset / 8,
      length: array ? outer.nr_elems : 0,
      size: sizeOf(elementId),
    };
  };
  return {
    struct: (name) => {
      const found = named("STRUCT", name);
      return { size: found.size, members: found.members.map(member) };
    },
    enumValues: (name) => named("ENUM", name).values.map((value) => ({ name: value.name, value: value.val >>> 0 })),
  };
}
