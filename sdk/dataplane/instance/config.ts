// SPDX-License-Identifier: Apache-2.0
/** What the instance, not its state, puts into `struct config`. */
import { configCodec, WEIR_ABI_VERSION } from "../../layout/index.ts";
import type { StructArray } from "../kernel/struct_array.ts";

/** How long a flow may wait for its decision before a packet may ask anew. Longer than any handler's time-out by default. */
const HOLD_TIMEOUT_MS = 2000;

/** Packets a second, on each CPU, by which an interface may cause ICMP errors and the like. */
const TRAP_RATE = 1000;

/** Writes the configuration; the version last, for it tells that the rest is there. */
export function writeInstanceConfig(
  config: StructArray,
  o: {
    readonly workers: number;
    readonly trapIfindex: number;
    /** Length of the map `half_open`. */
    readonly halfOpen: number;
  },
): void {
  const { view } = config;
  configCodec.workers.set(view, 0, o.workers);
  configCodec.trapIfindex.set(view, 0, o.trapIfindex);
  configCodec.holdTimeoutMs.set(view, 0, HOLD_TIMEOUT_MS);
  configCodec.trapRate.set(view, 0, TRAP_RATE);
  configCodec.halfOpenMask.set(view, 0, o.halfOpen - 1);
  // Revisions begin anew with each process, and decisions of an older one than this are not taken.
  configCodec.revision.set(view, 0, 0);
  // An earlier process may have had readers.
  configCodec.dropSamples.set(view, 0, 0);
  configCodec.flowEnds.set(view, 0, 0);
  // 0 stands for "no entry".
  if (configCodec.generation.get(view, 0) === 0) configCodec.generation.set(view, 0, 1);
  configCodec.abiVersion.set(view, 0, WEIR_ABI_VERSION);
}
