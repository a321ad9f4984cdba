// SPDX-License-Identifier: Apache-2.0
/**
 * BTF, the type information of eBPF objects and kernels (Documentation/bpf/btf.rst, linux/btf.h).
 * Types are decoded when they are asked for: a kernel's BTF has some 150 000 of them.
 */

import { readFileSync } from "node:fs";
import { WeirError } from "../errors.ts";
import { readElfSection, stringAt } from "./elf.ts";

/** A member of a struct or union. Anonymous members have the name "". */
export interface BtfMember {
  readonly name: string;
  readonly typeId: number;
  /** Bits from the start of the struct. */
  readonly bitOffset: number;
  /** Width of a bit field; 0 for an ordinary member. */
  readonly bitSize: number;
  /** Bytes from the start of the struct, for an ordinary member. */
  readonly offset: number;
}

export interface BtfInteger {
  readonly kind: "int";
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly signed: boolean;
  readonly boolean: boolean;
}

export interface BtfFloat {
  readonly kind: "float";
  readonly name: string;
  readonly size: number;
}

export interface BtfArray {
  readonly kind: "array";
  readonly name: "";
  readonly typeId: number;
  readonly length: number;
}

export interface BtfStruct {
  readonly kind: "struct" | "union";
  readonly name: string;
  /** Bytes, with padding. */
  readonly size: number;
  readonly members: readonly BtfMember[];
}

export interface BtfEnum {
  readonly kind: "enum";
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly values: readonly { readonly name: string; readonly value: bigint }[];
}

/** A type that stands for another: its name, qualifiers, a pointer to it, a function or a tag on it. */
export interface BtfReference {
  readonly kind: "ptr" | "typedef" | "volatile" | "const" | "restrict" | "func" | "decl_tag" | "type_tag";
  readonly name: string;
  readonly typeId: number;
}

export interface BtfVariable {
  readonly kind: "var";
  readonly name: string;
  readonly typeId: number;
  /** 0 static, 1 global, 2 extern. */
  readonly linkage: number;
}

/**
 * The variables of a data section. In an object file `offset` and `size` are zero until libbpf
 * fills them in: {@link elfSymbols} has them.
 */
export interface BtfDataSection {
  readonly kind: "datasec";
  readonly name: string;
  readonly size: number;
  readonly variables: readonly { readonly typeId: number; readonly offset: number; readonly size: number }[];
}

/** `void`, forward declarations and function prototypes. */
export interface BtfOther {
  readonly kind: "void" | "fwd" | "func_proto";
  readonly name: string;
}

export type BtfType =
  | BtfInteger
  | BtfFloat
  | BtfArray
  | BtfStruct
  | BtfEnum
  | BtfReference
  | BtfVariable
  | BtfDataSection
  | BtfOther;

const MAGIC = 0xeb9f;
const TYPE_HEADER_BYTES = 12;

/** BTF_KIND_* by number, with the bytes that follow the header: a fixed part and one per `vlen`. */
const KINDS: readonly { readonly kind: BtfType["kind"]; readonly fixed: number; readonly each: number }[] = [
  { kind: "void", fixed: 0, each: 0 },
  { kind: "int", fixed: 4, each: 0 },
  { kind: "ptr", fixed: 0, each: 0 },
  { kind: "array", fixed: 12, each: 0 },
  { kind: "struct", fixed: 0, each: 12 },
  { kind: "union", fixed: 0, each: 12 },
  { kind: "enum", fixed: 0, each: 8 },
  { kind: "fwd", fixed: 0, each: 0 },
  { kind: "typedef", fixed: 0, each: 0 },
  { kind: "volatile", fixed: 0, each: 0 },
  { kind: "const", fixed: 0, each: 0 },
  { kind: "restrict", fixed: 0, each: 0 },
  { kind: "func", fixed: 0, each: 0 },
  { kind: "func_proto", fixed: 0, each: 8 },
  { kind: "var", fixed: 4, each: 0 },
  { kind: "datasec", fixed: 0, each: 12 },
  { kind: "float", fixed: 0, each: 0 },
  { kind: "decl_tag", fixed: 4, each: 0 },
  { kind: "type_tag", fixed: 0, each: 0 },
  { kind: "enum", fixed: 0, each: 12 },
];
const KIND_ENUM64 = 19;

function refuse(reason: string): never {
  throw new WeirError({ code: "EINVAL", operation: "read BTF", reason });
}

/** The types of one object file or kernel. Type ids start at 1; 0 is `void`. */
export class Btf {
  readonly #view: DataView;
  readonly #strings: Uint8Array;
  /** Where each type's header starts; index = type id. */
  readonly #starts: number[] = [0];
  readonly #decoded = new Map<number, BtfType>();
  #names: Map<string, number[]> | undefined;

  /**
   * @param raw the bytes of a `.BTF` section or of a file under /sys/kernel/btf.
   * @throws WeirError `EINVAL` if it is not little-endian BTF version 1, or has kinds that are not known.
   */
  constructor(raw: Uint8Array) {
    const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    if (raw.byteLength < 24 || view.getUint16(0, true) !== MAGIC) refuse("it is no little-endian BTF");
    if (view.getUint8(2) !== 1) refuse(`version ${view.getUint8(2)} is not known`);
    const header = view.getUint32(4, true);
    const types = header + view.getUint32(8, true);
    const typesEnd = types + view.getUint32(12, true);
    const strings = header + view.getUint32(16, true);
    const stringsEnd = strings + view.getUint32(20, true);
    if (typesEnd > raw.byteLength || stringsEnd > raw.byteLength) refuse("it is cut short");
    this.#view = view;
    this.#strings = raw.subarray(strings, stringsEnd);
    for (let at = types; at < typesEnd; ) {
      this.#starts.push(at);
      const info = view.getUint32(at + 4, true);
      const shape = KINDS[(info >>> 24) & 0x1f];
      if (shape === undefined) refuse(`kind ${(info >>> 24) & 0x1f} of type ${this.#starts.length - 1} is not known`);
      at += TYPE_HEADER_BYTES + shape.fixed + shape.each * (info & 0xffff);
    }
  }

  /**
   * The BTF of an object file.
   * @throws WeirError `ENOENT` if it was compiled without `-g`.
   */
  static fromElf(elf: Uint8Array): Btf {
    const section = readElfSection(elf, ".BTF");
    if (section !== undefined) return new Btf(section);
    throw new WeirError({
      code: "ENOENT",
      operation: "read BTF",
      reason: "the object file has no .BTF section",
      hint: "compile it with -g",
    });
  }

  /** The BTF of the running kernel: some 5 MB, indexed in some 20 ms. */
  static fromKernel(): Btf {
    return new Btf(readFileSync("/sys/kernel/btf/vmlinux"));
  }

  /** Number of types, with `void`. */
  get length(): number {
    return this.#starts.length;
  }

  /** All types in order of their ids, `void` first. */
  *types(): Generator<BtfType> {
    for (let id = 0; id < this.length; id++) yield this.type(id);
  }

  /** The type `id` as it is, typedefs and qualifiers included. */
  type(id: number): BtfType {
    const known = this.#decoded.get(id);
    if (known !== undefined) return known;
    const decoded = this.#decode(id);
    this.#decoded.set(id, decoded);
    return decoded;
  }

  /** The type behind typedefs, qualifiers, type tags and variables. */
  resolve(id: number): BtfType {
    let type = this.type(id);
    for (let depth = 0; depth < 64; depth++) {
      switch (type.kind) {
        case "typedef":
        case "volatile":
        case "const":
        case "restrict":
        case "type_tag":
        case "var":
          type = this.type(type.typeId);
          break;
        default:
          return type;
      }
    }
    return refuse(`type ${id} refers to itself`);
  }

  /** Bytes of the type `id`. Pointers have 8; functions and `void` have none. */
  sizeOf(id: number): number {
    const type = this.resolve(id);
    switch (type.kind) {
      case "int":
      case "float":
      case "struct":
      case "union":
      case "enum":
      case "datasec":
        return type.size;
      case "array":
        return type.length * this.sizeOf(type.typeId);
      case "ptr":
        return 8;
      default:
        return 0;
    }
  }

  /** Ids of all types called `name`. */
  idsOf(name: string): readonly number[] {
    if (this.#names === undefined) {
      this.#names = new Map();
      for (let id = 1; id < this.length; id++) {
        const itsName = this.#name(this.#view.getUint32(this.#starts[id] ?? 0, true));
        const same = this.#names.get(itsName);
        if (same === undefined) this.#names.set(itsName, [id]);
        else same.push(id);
      }
    }
    return this.#names.get(name) ?? [];
  }

  /**
   * The struct or union called `name`.
   * @throws WeirError `ENOENT`: a struct that no map, variable or function uses is not in BTF.
   */
  struct(name: string): BtfStruct {
    return this.#find(name, "struct", (type) => type.kind === "struct" || type.kind === "union");
  }

  /** The enum called `name`. @throws WeirError `ENOENT` */
  enum(name: string): BtfEnum {
    return this.#find(name, "enum", (type) => type.kind === "enum");
  }

  /** The data section called `name` (`.rodata`, `.maps`). @throws WeirError `ENOENT` */
  dataSection(name: string): BtfDataSection {
    return this.#find(name, "section", (type) => type.kind === "datasec");
  }

  #find<T extends BtfType>(name: string, what: string, accepts: (type: BtfType) => boolean): T {
    const id = this.idsOf(name).find((candidate) => accepts(this.type(candidate)));
    if (id !== undefined) return this.type(id) as T;
    throw new WeirError({ code: "ENOENT", operation: `find ${what} "${name}" in BTF`, reason: "it is not there" });
  }

  #name(offset: number): string {
    return offset === 0 ? "" : stringAt(this.#strings, offset);
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  #list<T>(at: number, count: number, stride: number, read: (at: number) => T): T[] {
    return Array.from({ length: count }, (_, index) => read(at + index * stride));
  }

  #decode(id: number): BtfType {
    if (id === 0) return { kind: "void", name: "void" };
    const start = this.#starts[id];
    if (start === undefined) refuse(`there is no type ${id}`);
    const info = this.#u32(start + 4);
    const number = (info >>> 24) & 0x1f;
    const kind = KINDS[number]?.kind ?? "void";
    const count = info & 0xffff;
    const flag = info >>> 31 === 1;
    const name = this.#name(this.#u32(start));
    const sizeOrType = this.#u32(start + 8);
    const rest = start + TYPE_HEADER_BYTES;
    switch (kind) {
      case "int": {
        const encoding = (this.#u32(rest) >>> 24) & 0xf;
        return { kind, name, size: sizeOrType, signed: (encoding & 1) !== 0, boolean: (encoding & 4) !== 0 };
      }
      case "float":
        return { kind, name, size: sizeOrType };
      case "array":
        return { kind, name: "", typeId: this.#u32(rest), length: this.#u32(rest + 8) };
      case "struct":
      case "union":
        return { kind, name, size: sizeOrType, members: this.#list(rest, count, 12, (at) => this.#member(at, flag)) };
      case "enum": {
        const wide = number === KIND_ENUM64;
        const values = this.#list(rest, count, wide ? 12 : 8, (at) => ({
          name: this.#name(this.#u32(at)),
          value: this.#enumerator(at, wide, flag),
        }));
        return { kind, name, size: sizeOrType, values };
      }
      case "var":
        return { kind, name, typeId: sizeOrType, linkage: this.#u32(rest) };
      case "datasec": {
        const variables = this.#list(rest, count, 12, (at) => ({
          typeId: this.#u32(at),
          offset: this.#u32(at + 4),
          size: this.#u32(at + 8),
        }));
        return { kind, name, size: sizeOrType, variables };
      }
      case "void":
      case "fwd":
      case "func_proto":
        return { kind, name };
      default:
        return { kind, name, typeId: sizeOrType };
    }
  }

  /** With the kind flag the upper 8 bits of the offset are the width of a bit field. */
  #member(at: number, flag: boolean): BtfMember {
    const raw = this.#u32(at + 8);
    const bitOffset = flag ? raw & 0xffffff : raw;
    return {
      name: this.#name(this.#u32(at)),
      typeId: this.#u32(at + 4),
      bitOffset,
      bitSize: flag ? raw >>> 24 : 0,
      offset: bitOffset >>> 3,
    };
  }

  #enumerator(at: number, wide: boolean, signed: boolean): bigint {
    if (wide) {
      const low = this.#view.getBigUint64(at + 4, true);
      return signed ? BigInt.asIntN(64, low) : low;
    }
    const raw = this.#view.getInt32(at + 4, true);
    // Before clang 15 the sign is not recorded: a value with the top bit set is taken as negative.
    return BigInt(raw);
  }
}
