// SPDX-License-Identifier: Apache-2.0
/** What an object file holds, before it is loaded: maps to resize, programs to leave out, constants to set. */

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { runtime } from "#runtime";
import { Collection } from "./collection.ts";
import { Constants } from "./constants.ts";
import { loadCollection } from "./load.ts";
import type { BpfMap } from "./map.ts";
import type { MapShape } from "./map_shape.ts";
import { type MapType, mapTypeName, type ProgramType, programTypeName } from "./names.ts";
import { OpenObject } from "./object.ts";
import type { Program } from "./program.ts";
import { sectionType } from "./sections.ts";
import { libbpf } from "./symbols.ts";

/** A map of an object file. */
export interface MapSpec extends MapShape {
  /** Name in the source; `.rodata`, `.data`, `.bss` for constants and globals. */
  readonly name: string;
  readonly type: MapType;
  readonly keySize: number;
  readonly valueSize: number;
  /** May be set before loading. */
  maxEntries: number;
  /** `BPF_F_*`. May be set before loading. */
  flags: number;
  /**
   * Whether it is made. Default true. Where it is not, the programs load all the same as long as the verifier sees that
   * they never come to the map: behind a constant.
   */
  create: boolean;
}

/** A function of a loaded program. */
export interface AttachTarget {
  readonly program: Program;
  readonly functionName: string;
}

/** A program of an object file. */
export interface ProgramSpec {
  readonly name: string;
  /** ELF section: `xdp`, `tc`, `tcx/ingress`. */
  readonly section: string;
  /** From the section's name; may be set before loading. */
  type: ProgramType;
  /** `expected_attach_type` (`BPF_*` of linux/bpf.h); may be set before loading. */
  attachType: number;
  /** `BPF_F_*` of loading, such as `BPF_F_XDP_HAS_FRAGS`, besides those of its section; may be set before loading. */
  flags: number;
  /** For type `ext`: the function of a loaded program that it can take the place of. May be set before loading. */
  attachTarget: AttachTarget | undefined;
  /** Whether it is loaded. Default true, false for sections that start with "?". */
  autoload: boolean;
}

/** What {@link CollectionSpec.load} may be told. */
export interface LoadOptions {
  /** Maps to be used in place of those of the object file, by name; they must be alike. */
  readonly reuse?: Readonly<Record<string, BpfMap>>;
}

// libbpf refuses to make these with the key or value type that a program declares for its own use.
const sizes: Partial<Record<MapType, readonly [key: number, value: number]>> = {
  ringbuf: [0, 0],
  user_ringbuf: [0, 0],
  perf_event_array: [4, 4],
};

function readMap(object: OpenObject, map: ReturnType<OpenObject["maps"]>[number]): MapSpec {
  const lib = libbpf();
  const type = mapTypeName(lib.bpf_map__type(map));
  const [keySize, valueSize] = sizes[type] ?? [lib.bpf_map__key_size(map), lib.bpf_map__value_size(map)];
  const name = object.mapName(map);
  return {
    name,
    type,
    keySize,
    valueSize,
    maxEntries: lib.bpf_map__max_entries(map),
    flags: lib.bpf_map__map_flags(map),
    create: (lib.bpf_map__autocreate(map) & 0xff) !== 0,
  };
}

function readProgram(program: ReturnType<OpenObject["programs"]>[number]): ProgramSpec {
  const lib = libbpf();
  const section = runtime.cstring(lib.bpf_program__section_name(program)) ?? "";
  const known = sectionType(section.replace(/^\?/, ""));
  return {
    name: runtime.cstring(lib.bpf_program__name(program)) ?? "",
    section,
    type: known?.type ?? programTypeName(lib.bpf_program__type(program)),
    attachType: known?.attachType ?? lib.bpf_program__expected_attach_type(program),
    flags: lib.bpf_program__flags(program),
    attachTarget: undefined,
    autoload: (lib.bpf_program__autoload(program) & 0xff) !== 0,
  };
}

/**
 * An object file that can be loaded, also more than once.
 *
 * ```ts
 * const spec = CollectionSpec.fromFile("filter.o");
 * spec.constants.set("limit", 100);
 * using collection = spec.load();
 * ```
 */
export class CollectionSpec {
  readonly name: string;
  readonly maps: ReadonlyMap<string, MapSpec>;
  readonly programs: ReadonlyMap<string, ProgramSpec>;
  /** The variables in `.rodata`: fixed at load, and the verifier knows their values. */
  readonly constants: Constants;
  readonly #elf: Uint8Array;

  private constructor(elf: Uint8Array, name: string) {
    this.name = name;
    this.#elf = elf;
    this.constants = new Constants(elf);
    using object = new OpenObject(elf, name, 0);
    this.maps = new Map(object.maps().map((map) => [object.mapName(map), readMap(object, map)]));
    this.programs = new Map(
      object
        .programs()
        .map(readProgram)
        .map((program) => [program.name, program]),
    );
  }

  /**
   * Reads an object file from memory.
   * @param o.name for messages and for the names of constant maps. Default "object".
   * @throws WeirError if it is no object file, or one that libbpf 1.x refuses (legacy `maps` sections).
   */
  static fromBytes(elf: Uint8Array, o: { name?: string } = {}): CollectionSpec {
    return new CollectionSpec(elf, o.name ?? "object");
  }

  /** Reads an object file. `o.name` defaults to the file's name up to its first dot. */
  static fromFile(path: string, o: { name?: string } = {}): CollectionSpec {
    const name = o.name ?? basename(path).split(".")[0] ?? "object";
    return new CollectionSpec(new Uint8Array(readFileSync(path)), name);
  }

  /**
   * Makes the maps and loads the programs. Needs CAP_BPF, and CAP_NET_ADMIN for network programs.
   * @throws VerifierError if the kernel refuses a program; WeirError `EINCOMPATIBLE` if a map to reuse is not alike.
   */
  load(options: LoadOptions = {}): Collection {
    const { maps, programs } = loadCollection(this.#elf, this, options.reuse ?? {});
    return new Collection(this.name, this.#elf, maps, programs);
  }
}
