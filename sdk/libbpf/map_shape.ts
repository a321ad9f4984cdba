// SPDX-License-Identifier: Apache-2.0
/** What a map is like, and whether two are alike. */

import { WeirError } from "../errors.ts";
import { errnoError } from "../runtime/errno.ts";
import { type MapType, mapTypeName } from "./names.ts";
import { Packed } from "./packed.ts";
import { mapInfo } from "./structs.ts";
import { objectInfo } from "./syscall.ts";

/** The properties that are fixed when a map is made. */
export interface MapShape {
  readonly type: MapType;
  /** Bytes of a key. */
  readonly keySize: number;
  /** Bytes of a value; of one CPU's value in per-CPU maps. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** `BPF_F_*` creation flags. */
  readonly flags: number;
}

/** A map as the kernel describes it. */
export interface MapInfo extends MapShape {
  readonly id: number;
  /** At most 15 characters. */
  readonly name: string;
}

// Set by the kernel or by libbpf on their own account, they do not make two maps different:
// BPF_F_RDONLY_PROG of constants, BPF_F_RDONLY and BPF_F_WRONLY of a pin.
const IGNORED_FLAGS = 0x8 | 0x10 | 0x80;

/** Asks the kernel about the map behind `fd`. */
export function readMapInfo(fd: number): MapInfo {
  const info = new Packed(mapInfo.size);
  const result = objectInfo(fd, info);
  if (result < 0) throw errnoError(-result, `ask about the map behind descriptor ${fd}`);
  return {
    id: info.getU32(mapInfo.id),
    name: info.getText(mapInfo.name, mapInfo.nameSize),
    type: mapTypeName(info.getU32(mapInfo.type)),
    keySize: info.getU32(mapInfo.keySize),
    valueSize: info.getU32(mapInfo.valueSize),
    maxEntries: info.getU32(mapInfo.maxEntries),
    flags: info.getU32(mapInfo.flags),
  };
}

/** In which properties `actual` is not what `expected` asks for: `valueSize 8 instead of 16`. */
export function shapeDifferences(actual: MapShape, expected: Partial<MapShape>): string[] {
  const differences: string[] = [];
  for (const key of ["type", "keySize", "valueSize", "maxEntries"] as const) {
    const wanted = expected[key];
    if (wanted !== undefined && wanted !== actual[key]) differences.push(`${key} ${actual[key]} instead of ${wanted}`);
  }
  const flags = actual.flags & ~IGNORED_FLAGS;
  if (expected.flags !== undefined && flags !== (expected.flags & ~IGNORED_FLAGS)) {
    differences.push(`flags 0x${flags.toString(16)} instead of 0x${expected.flags.toString(16)}`);
  }
  return differences;
}

/** @throws WeirError `EINCOMPATIBLE` naming the differences. */
export function requireShape(actual: MapShape, expected: Partial<MapShape>, operation: string): void {
  const differences = shapeDifferences(actual, expected);
  if (differences.length === 0) return;
  throw new WeirError({
    code: "EINCOMPATIBLE",
    operation,
    reason: `it has ${differences.join(", ")}`,
    hint: "remove the pin, or use the version that made it",
  });
}
