// SPDX-License-Identifier: Apache-2.0
/** Sections and symbols of a 64-bit little-endian ELF object (elf.h); enough for BTF and for named variables. */

import { WeirError } from "../errors.ts";

/** One section header with its bytes. */
export interface ElfSection {
  readonly name: string;
  /** `SHT_*`: 2 is the symbol table, 8 has no bytes in the file. */
  readonly type: number;
  readonly bytes: Uint8Array;
  readonly link: number;
  readonly size: number;
}

/** One symbol that is defined in a section. */
export interface ElfSymbol {
  readonly name: string;
  /** Name of the section that it lies in. */
  readonly section: string;
  /** Bytes from the start of the section. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  /** `STT_*`: 1 is an object (a variable), 2 a function. */
  readonly type: number;
}

/** `STT_OBJECT`: the symbol is a variable. */
export const STT_OBJECT = 1;

const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;

function refuse(reason: string): never {
  throw new WeirError({
    code: "EINVAL",
    operation: "read the object file",
    reason,
    hint: "give an ELF object made by `clang -target bpfel`",
  });
}

/** A NUL-terminated string in a string table. */
export function stringAt(table: Uint8Array, offset: number): string {
  const end = table.indexOf(0, offset);
  return new TextDecoder().decode(table.subarray(offset, end < 0 ? table.byteLength : end));
}

/**
 * All sections, in the order of their headers.
 * @throws WeirError `EINVAL` if `elf` is no 64-bit little-endian ELF file or is cut short.
 */
export function elfSections(elf: Uint8Array): ElfSection[] {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  if (elf.byteLength < 64 || view.getUint32(0) !== 0x7f454c46) refuse("it is no ELF file");
  if (elf[4] !== 2 || elf[5] !== 1) refuse("it is not 64-bit little-endian");
  const headers = Number(view.getBigUint64(40, true));
  const count = view.getUint16(60, true);
  const nameIndex = view.getUint16(62, true);
  if (headers + count * SECTION_HEADER_BYTES > elf.byteLength) refuse("it is cut short");

  const raw = Array.from({ length: count }, (_, index) => {
    const at = headers + index * SECTION_HEADER_BYTES;
    const type = view.getUint32(at + 4, true);
    const offset = Number(view.getBigUint64(at + 24, true));
    const size = Number(view.getBigUint64(at + 32, true));
    if (type !== SHT_NOBITS && offset + size > elf.byteLength) refuse("it is cut short");
    const bytes = type === SHT_NOBITS ? new Uint8Array(0) : elf.subarray(offset, offset + size);
    return { nameOffset: view.getUint32(at, true), type, bytes, link: view.getUint32(at + 40, true), size };
  });
  const names = raw[nameIndex]?.bytes ?? new Uint8Array(0);
  return raw.map(({ nameOffset, ...section }) => ({ ...section, name: stringAt(names, nameOffset) }));
}

/** The bytes of the section `name` (a view into `elf`), or `undefined`. */
export function readElfSection(elf: Uint8Array, name: string): Uint8Array | undefined {
  return elfSections(elf).find((section) => section.name === name)?.bytes;
}

/** The symbols that are defined in a section. */
export function elfSymbols(elf: Uint8Array): ElfSymbol[] {
  const sections = elfSections(elf);
  const table = sections.find((section) => section.type === SHT_SYMTAB);
  if (table === undefined) return [];
  const strings = sections[table.link]?.bytes ?? new Uint8Array(0);
  const view = new DataView(table.bytes.buffer, table.bytes.byteOffset, table.bytes.byteLength);
  const symbols: ElfSymbol[] = [];
  for (let at = 0; at + SYMBOL_BYTES <= view.byteLength; at += SYMBOL_BYTES) {
    const section = sections[view.getUint16(at + 6, true)];
    if (section === undefined || section.type === 0) continue;
    symbols.push({
      name: stringAt(strings, view.getUint32(at, true)),
      section: section.name,
      offset: Number(view.getBigUint64(at + 8, true)),
      size: Number(view.getBigUint64(at + 16, true)),
      type: view.getUint8(at + 4) & 0xf,
    });
  }
  return symbols;
}
