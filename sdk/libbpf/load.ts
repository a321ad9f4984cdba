// SPDX-License-Identifier: Apache-2.0
/** Loading an object file: settings in, descriptors out, a verifier's refusal explained. */

import { EAGAIN, ENOSPC, errnoError, errnoName } from "../runtime/errno.ts";
import { cstring, duplicate, libc } from "../runtime/libc.ts";
import { NULL } from "../runtime/types.ts";
import { captureLog } from "./log.ts";
import { BpfMap } from "./map.ts";
import { requireShape } from "./map_shape.ts";
import { programTypes } from "./names.ts";
import { libbpfError, OpenObject } from "./object.ts";
import { Program } from "./program.ts";
import type { CollectionSpec } from "./spec.ts";
import { libbpf } from "./symbols.ts";
import { VerifierError } from "./verifier.ts";

/** The log costs nothing unless a program is refused; then the kernel needs it to be large enough. */
const LOG_BYTES = 1 << 20;
const LARGE_LOG_BYTES = 16 << 20;

/**
 * The verifier gives up with EAGAIN when a signal is pending (kernel/bpf/verifier.c, do_check), and runtimes send their
 * threads signals, to collect garbage for one. libbpf itself tries a program 5 times, faster than such signals go by.
 */
const INTERRUPTED_TRIES = 5;

/** The maps and programs of a loaded object file, by name. */
export interface Loaded {
  readonly maps: Map<string, BpfMap>;
  readonly programs: Map<string, Program>;
}

function applyMaps(object: OpenObject, spec: CollectionSpec, reuse: Readonly<Record<string, BpfMap>>): void {
  const lib = libbpf();
  for (const map of object.maps()) {
    const name = object.mapName(map);
    const wanted = spec.maps.get(name);
    if (wanted === undefined) continue;
    if (!wanted.create) {
      lib.bpf_map__set_autocreate(map, 0);
      continue;
    }
    const existing = reuse[name];
    if (existing !== undefined) {
      requireShape(existing, wanted, `reuse map "${name}"`);
      lib.bpf_map__reuse_fd(map, existing.fd);
      continue;
    }
    if (lib.bpf_map__key_size(map) !== wanted.keySize) lib.bpf_map__set_key_size(map, wanted.keySize);
    if (lib.bpf_map__value_size(map) !== wanted.valueSize) lib.bpf_map__set_value_size(map, wanted.valueSize);
    if (lib.bpf_map__max_entries(map) !== wanted.maxEntries) lib.bpf_map__set_max_entries(map, wanted.maxEntries);
    if (lib.bpf_map__map_flags(map) !== wanted.flags) lib.bpf_map__set_map_flags(map, wanted.flags);
  }
  for (const { section, offset, value } of spec.constants.assigned()) {
    const map = object.maps().find((candidate) => object.mapName(candidate) === section);
    if (map !== undefined) object.initialValue(map)?.set(value, offset);
  }
}

function applyPrograms(object: OpenObject, { programs }: CollectionSpec): void {
  const lib = libbpf();
  const wanted = [...programs.values()];
  for (const [index, program] of object.programs().entries()) {
    const spec = wanted[index];
    if (spec === undefined) continue;
    const { name, type, attachType, flags, attachTarget, autoload } = spec;
    lib.bpf_program__set_type(program, programTypes.indexOf(type));
    lib.bpf_program__set_expected_attach_type(program, attachType);
    if (lib.bpf_program__flags(program) !== flags) lib.bpf_program__set_flags(program, flags);
    lib.bpf_program__set_autoload(program, autoload ? 1 : 0);
    if (attachTarget === undefined) continue;
    const { program: target, functionName } = attachTarget;
    const text = cstring(functionName);
    const result = lib.bpf_program__set_attach_target(program, target.fd, text.address);
    if (result >= 0) continue;
    throw errnoError(-result, `have "${name}" replace function "${functionName}" of "${target.name}"`);
  }
}

function loadError(errno: number, spec: CollectionSpec, log: string, lines: readonly string[]): Error {
  const refused = lines.map((line) => /^prog '([^']+)': BPF program load failed/.exec(line)?.[1]).find(Boolean);
  if (refused === undefined || log === "") {
    return libbpfError(errno, `load object file "${spec.name}"`, lines);
  }
  const type = spec.programs.get(refused)?.type ?? "";
  return new VerifierError({
    code: errnoName(errno),
    operation: `load ${type} program "${refused}"`,
    program: refused,
    log: log.trimEnd().split("\n"),
  });
}

function collect(object: OpenObject, spec: CollectionSpec): Loaded {
  const lib = libbpf();
  const maps = new Map<string, BpfMap>();
  const programs = new Map<string, Program>();
  // libbpf closes its descriptors with the object: ours are duplicates, owned one by one.
  try {
    for (const map of object.maps()) {
      const name = object.mapName(map);
      // A map of internal bookkeeping (.kconfig) may not be made at all.
      if (lib.bpf_map__fd(map) >= 0) maps.set(name, new BpfMap(duplicate(lib.bpf_map__fd(map)), name));
    }
    const names = [...spec.programs.keys()];
    for (const [index, program] of object.programs().entries()) {
      const name = names[index];
      const fd = lib.bpf_program__fd(program);
      if (name !== undefined && fd >= 0) programs.set(name, new Program(duplicate(fd), name));
    }
  } catch (error) {
    for (const owned of [...maps.values(), ...programs.values()]) owned[Symbol.dispose]();
    throw error;
  }
  return { maps, programs };
}

/** What is to be done when an attempt has failed: the log did not fit, or a signal came. */
type Retry = "larger-log" | "again";

/** One attempt with a verifier's log of `logBytes`; a retry may help where it does not throw. */
function attempt(
  elf: Uint8Array,
  spec: CollectionSpec,
  reuse: Readonly<Record<string, BpfMap>>,
  logBytes: number,
  mayRetry: boolean,
): Loaded | Retry {
  using object = new OpenObject(elf, spec.name, logBytes);
  applyMaps(object, spec, reuse);
  applyPrograms(object, spec);
  const { value, lines } = captureLog(() => libbpf().bpf_object__load(object.address));
  if (value >= 0) return collect(object, spec);
  if (value === -ENOSPC && logBytes < LARGE_LOG_BYTES) return "larger-log";
  if (value === -EAGAIN && mayRetry) return "again";
  throw loadError(-value, spec, object.verifierLog(), lines);
}

/** Loads `elf` as `spec` says. */
export function loadCollection(elf: Uint8Array, spec: CollectionSpec, reuse: Readonly<Record<string, BpfMap>>): Loaded {
  // libbpf enlarges only log buffers of its own: with a given one that is full, everything starts again.
  let logBytes = LOG_BYTES;
  for (let tries = 1; ; tries++) {
    const result = attempt(elf, spec, reuse, logBytes, tries < INTERRUPTED_TRIES);
    if (typeof result !== "string") return result;
    if (result === "larger-log") logBytes = LARGE_LOG_BYTES;
    else libc.poll(NULL, 0, tries);
  }
}
