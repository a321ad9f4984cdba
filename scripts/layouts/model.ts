// SPDX-License-Identifier: Apache-2.0
/** The layouts as the writers take them: BTF for the numbers, the headers for order and comments. */

import { readdirSync, readFileSync } from "node:fs";
import { root } from "../root.ts";
import { constantValues, type Member, readTypes, type Types } from "./btf.ts";
import { type Declarations, readDeclarations } from "./headers.ts";

/** Those whose structs cross a border; bpf/abi.h only includes. */
export const HEADERS: readonly string[] = readdirSync(root("bpf"))
  .filter((name) => name.endsWith("_abi.h"))
  .sort()
  .map((name) => `bpf/${name}`);

export interface Struct {
  /** C name. */
  readonly name: string;
  readonly size: number;
  readonly comment: string;
  /** Without the reserved ones. */
  readonly fields: readonly Field[];
}

export interface Field extends Member {
  readonly comment: string;
}

/** An enum whose values count up from 0, so that a list of names holds it. */
export interface Enum {
  /** C name. */
  readonly name: string;
  readonly comment: string;
  readonly values: readonly EnumValue[];
}

export interface EnumValue {
  /** C name: DROP_NO_ROUTE. */
  readonly name: string;
  /** Kebab-case, without the prefix that all values share: no-route. */
  readonly label: string;
  readonly value: number;
  readonly comment: string;
}

export interface Constant {
  readonly name: string;
  readonly value: number;
  /** As the header writes it, hexadecimal or decimal. */
  readonly text: string;
  readonly comment: string;
}

/** All of one header. */
export interface Header {
  readonly path: string;
  readonly structs: readonly Struct[];
  readonly enums: readonly Enum[];
  readonly constants: readonly Constant[];
}

export function readModel(): readonly Header[] {
  const declared = HEADERS.map((path) => ({ path, declarations: readDeclarations(readFileSync(root(path), "utf8")) }));
  const types = readTypes(declared.flatMap(({ declarations }) => declarations.constants.map(({ name }) => name)));
  const constants = constantValues(types);
  return declared.map(({ path, declarations }) => ({
    path,
    structs: declarations.structs.map((item) => readStruct(item.name, item.statedSize, types, declarations)),
    enums: declarations.enums.map((name) => readEnum(name, types, declarations)),
    constants: declarations.constants.map(({ name, hex }) => {
      const signed = constants.get(name) ?? 0;
      // BTF takes the highest bit of a hexadecimal constant for a sign.
      const value = hex ? signed >>> 0 : signed;
      const text = hex ? `0x${value.toString(16)}` : String(value);
      return { name, value, text, comment: declarations.comments.get(name) ?? "" };
    }),
  }));
}

function readStruct(name: string, stated: number | undefined, types: Types, declarations: Declarations): Struct {
  const { size, members } = types.struct(name);
  if (stated !== undefined && stated !== size) {
    throw new Error(`Cannot accept struct ${name}: its comment says ${stated} bytes, the compiler ${size}`);
  }
  const fields = members
    .filter((member) => !/^reserved\d*$/.test(member.name))
    .map((member) => ({ ...member, comment: declarations.comments.get(`${name}.${member.name}`) ?? "" }));
  return { name, size, comment: declarations.comments.get(name) ?? "", fields };
}

function readEnum(name: string, types: Types, declarations: Declarations): Enum {
  const raw = types.enumValues(name);
  const prefix = commonPrefix(raw.map((value) => value.name));
  const values = raw.map((value, index) => {
    if (value.value !== index)
      throw new Error(`Cannot list enum ${name}: ${value.name} is ${value.value}, not ${index}`);
    const label = value.name.slice(prefix.length).toLowerCase().replaceAll("_", "-");
    return { ...value, label, comment: declarations.comments.get(`${name}.${value.name}`) ?? "" };
  });
  return { name, comment: declarations.comments.get(name) ?? "", values };
}

/** The longest run of whole words, each ended by `_`, that all names begin with. */
function commonPrefix(names: readonly string[]): string {
  const words = (names[0] ?? "").split("_").slice(0, -1);
  while (words.length > 0 && !names.every((name) => name.startsWith(`${words.join("_")}_`))) words.pop();
  return words.length === 0 ? "" : `${words.join("_")}_`;
}
