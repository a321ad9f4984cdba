// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { WEIR_MAX_REASONS, workerControlLayout } from "../layout/index.ts";
import { layoutMemory, type MemorySizes, WASM_PAGE } from "./memory_layout.ts";

const sizes: MemorySizes = {
  frames: 8192,
  frameSize: 2048,
  holdLimit: 2000,
  directPorts: 4,
  policyBytes: 1 << 20,
  addressSetBytes: 1 << 19,
  interfaces: 4096,
  nexthops: 65536,
  decisions: 16384,
  missRings: 16,
};

describe("the memory of a worker", () => {
  test("has no two things in one place", () => {
    const layout = layoutMemory(sizes);
    const ranges: [string, number, number][] = [
      ["control", layout.control, workerControlLayout.size],
      ["freeFrames", layout.freeFrames, sizes.frames * 4],
      ["frameOwners", layout.frameOwners, sizes.frames],
      ["holds", layout.holds, layout.holdCapacity * 72],
      ["holdBuckets", layout.holdBuckets, layout.holdCapacity * 4],
      ["drops", layout.drops, sizes.interfaces * WEIR_MAX_REASONS * 16],
      ["errorLimits", layout.errorLimits, sizes.interfaces * 8],
      ["commands", layout.commands, 64],
      ["events", layout.events, 64],
      ["policy directory 0", layout.policies.directories[0].at, (2 * sizes.interfaces + 1) * 4],
      ["policy directory 1", layout.policies.directories[1].at, (2 * sizes.interfaces + 1) * 4],
      ["policy sets", layout.policies.sets.at, layout.policies.sets.bytes],
      ["address sets 0", layout.policies.addressSets[0], sizes.addressSetBytes],
      ["address sets 1", layout.policies.addressSets[1], sizes.addressSetBytes],
      ["interfaces", layout.interfaces, sizes.interfaces * 128],
      ["nexthops", layout.nexthops, sizes.nexthops * 64],
      ["decisions", layout.decisions, sizes.decisions * 128],
      ["missRings", layout.missRings, sizes.missRings * 256 * 1024],
      ...layout.rings.flatMap((ring, i): [string, number, number][] => [
        [`rx ${i}`, ring.rx, 1],
        [`fill ${i}`, ring.fill, 1],
        [`completion ${i}`, ring.completion, 1],
      ]),
      ["umem", layout.umem, sizes.frames * sizes.frameSize],
    ];
    ranges.sort((a, b) => a[1] - b[1]);
    for (const [i, [name, at, size]] of ranges.entries()) {
      const next = ranges[i + 1]?.[1] ?? layout.pages * WASM_PAGE;
      expect({ name, end: at + size <= next }).toEqual({ name, end: true });
    }
  });

  test("begins what is mapped at the largest page size, and counts holds in a power of two", () => {
    const layout = layoutMemory(sizes);
    for (const at of [layout.interfaces, layout.nexthops, layout.decisions, layout.missRings, layout.umem])
      expect(at % WASM_PAGE).toBe(0);
    for (const ring of layout.rings) for (const at of Object.values(ring)) expect(at % WASM_PAGE).toBe(0);
    expect(layout.holdCapacity).toBe(2048);
  });

  test("larger than WebAssembly can address is refused", () => {
    expect(() => layoutMemory({ ...sizes, frames: 2 ** 21 })).toThrow(
      /^Cannot lay out the slow path's memory: \d+ MiB are more than the 4096 MiB that WebAssembly can address; lower/,
    );
  });
});
