// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Btf } from "./btf.ts";
import { elfSections, elfSymbols, readElfSection } from "./elf.ts";

const SOURCE = `
typedef unsigned int u32;
enum colour { RED, GREEN = 5, NONE = -1 };
struct inner { unsigned char bytes[6]; unsigned short port; };
struct outer {
  u32 id;
  unsigned low:4, high:12;
  struct inner inners[3];
  enum colour colour;
  const char *name;
  union { long a; char b; };
};
struct outer value = {};
const volatile u32 limit __attribute__((section(".rodata"))) = 7;
const volatile u32 second __attribute__((section(".rodata"))) = 8;
`;

function compile(): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), "weir-btf-"));
  try {
    writeFileSync(join(directory, "a.c"), SOURCE);
    const args = ["-O2", "-g", "-target", "bpf", "-c", join(directory, "a.c"), "-o", join(directory, "a.o")];
    const { status, stderr } = spawnSync("clang", args, { encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
    return new Uint8Array(readFileSync(join(directory, "a.o")));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe("BTF of an object file", () => {
  const elf = compile();
  const btf = Btf.fromElf(elf);

  test("gives sizes and offsets of members, with arrays, bit fields and anonymous unions", () => {
    const outer = btf.struct("outer");
    expect(outer.size).toBe(56);
    expect(outer.members.map(({ name, offset, bitSize }) => [name, offset, bitSize])).toEqual([
      ["id", 0, 0],
      ["low", 4, 4],
      ["high", 4, 12],
      ["inners", 6, 0],
      ["colour", 32, 0],
      ["name", 40, 0],
      ["", 48, 0],
    ]);
    const inners = btf.resolve(outer.members[3]?.typeId ?? 0);
    expect(inners).toMatchObject({ kind: "array", length: 3 });
    expect(btf.sizeOf(outer.members[3]?.typeId ?? 0)).toBe(24);
    expect(btf.sizeOf(outer.members[5]?.typeId ?? 0)).toBe(8);
  });

  test("follows typedefs and qualifiers", () => {
    const id = btf.struct("outer").members[0]?.typeId ?? 0;
    expect(btf.type(id)).toMatchObject({ kind: "typedef", name: "u32" });
    expect(btf.resolve(id)).toEqual({ kind: "int", name: "unsigned int", size: 4, signed: false, boolean: false });
  });

  test("gives enumerators with their values", () => {
    expect(btf.enum("colour").values).toEqual([
      { name: "RED", value: 0n },
      { name: "GREEN", value: 5n },
      { name: "NONE", value: -1n },
    ]);
  });

  test("names the variables of a section, and the symbols place them", () => {
    const names = btf.dataSection(".rodata").variables.map(({ typeId }) => btf.type(typeId).name);
    expect(names).toEqual(["limit", "second"]);
    const second = elfSymbols(elf).find(({ name }) => name === "second");
    expect(second).toMatchObject({ section: ".rodata", offset: 4, size: 4 });
    expect(readElfSection(elf, ".rodata")?.[4]).toBe(8);
  });

  test("says what is missing", () => {
    expect(() => btf.struct("absent")).toThrow('Cannot find struct "absent" in BTF: it is not there');
  });
});

test("files that are no ELF or BTF are refused, cut ones too", () => {
  const elf = compile();
  expect(() => elfSections(new Uint8Array(100))).toThrow("it is no ELF file");
  expect(() => elfSections(elf.subarray(0, 200))).toThrow("it is cut short");
  expect(() => new Btf(new Uint8Array(30))).toThrow("it is no little-endian BTF");
  const raw = readElfSection(elf, ".BTF") ?? new Uint8Array();
  expect(() => new Btf(raw.subarray(0, raw.byteLength - 10))).toThrow("it is cut short");
});

test("the kernel's own BTF has the structs of the network stack", () => {
  const btf = Btf.fromKernel();
  const head = btf.struct("sk_buff").members.map(({ name }) => name);
  expect(head.length).toBeGreaterThan(10);
  expect(btf.struct("xdp_md").members.map(({ name }) => name)).toContain("rx_queue_index");
});
