// SPDX-License-Identifier: Apache-2.0
import { runtime } from "#runtime";
import { RuleActionValue } from "../layout/index.ts";
import { layoutMemory } from "./memory_layout.ts";
import type { HostOptions, SlowPathOptions } from "./types.ts";

/** How long a packet waits for its neighbour. */
const RESOLVE_TIMEOUT_MS = 1000;
const MIN_FRAMES = 1024;
const MEBIBYTE = 1024 * 1024;
/** Frames of a worker where nothing else is asked for. */
export const DEFAULT_FRAMES = 16384;

/** Fills in the defaults: what each worker is made from. */
export function hostOptions(o: SlowPathOptions): HostOptions {
  const limits = o.limits ?? {};
  const frames = Math.max(limits.frames ?? DEFAULT_FRAMES, MIN_FRAMES);
  const errorRate = limits.errorsPerSecond ?? 1000;
  const layout = layoutMemory({
    frames,
    frameSize: limits.frameSize ?? 2048,
    holdLimit: Math.min(limits.holdLimit ?? 2048, frames >> 2),
    directPorts: limits.directPorts ?? 16,
    policyBytes: limits.policyBytes ?? 32 * MEBIBYTE,
    addressSetBytes: limits.addressSetBytes ?? 16 * MEBIBYTE,
    interfaces: o.maps.interfaces.maxEntries,
    nexthops: o.maps.nexthops.maxEntries,
    decisions: o.maps.decisions.maxEntries,
    missRings: o.maps.miss_rings.maxEntries,
  });
  return {
    maps: o.maps,
    flowUpdate: o.flowUpdate,
    trapDevice: o.trapDevice,
    layout,
    limits: {
      frameReserve: frames >> 3,
      errorRate,
      errorBurst: Math.max(Math.ceil(errorRate / 10), 1),
      lentLimit: frames >> 3,
      resolveTimeoutMs: RESOLVE_TIMEOUT_MS,
    },
    settings: { askTimeoutMs: 1000, askOtherwise: RuleActionValue.deny },
    module: new WebAssembly.Module(o.module ?? runtime.readAsset("assets/slowpath.wasm")),
    policy: o.policy,
    spin: o.spin ?? false,
    scheduling: o.scheduling ?? { cpus: [], realtime: true },
    workerModule: o.workerModule ?? "sdk/slowpath/worker.ts",
    onMessage: o.onMessage ?? (() => {}),
    busyPoll: o.busyPoll,
  };
}
