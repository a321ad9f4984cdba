// SPDX-License-Identifier: Apache-2.0
/** A thread that decides on one packet again and again: see replacement.test.ts. */

import { instantiate } from "../module.ts";

declare const self: Worker;

export interface JudgingStart {
  readonly memory: WebAssembly.Memory;
  readonly control: number;
  readonly packet: number;
  readonly length: number;
  /** Verdicts; those that were not to allow; 1: stop; verdicts of a policy that was there. */
  readonly counts: Int32Array;
  /** What the verdict should be. */
  readonly allow: number;
}

self.onmessage = ({ data }: MessageEvent<JudgingStart>) => {
  const { memory, control, packet, length, counts, allow } = data;
  const module = instantiate(memory);
  module.start(control);
  while (Atomics.load(counts, 2) === 0) {
    const verdict = module.judge(packet, length);
    Atomics.add(counts, 0, 1);
    // Until the first policy is there, none decides.
    if (verdict === 0) continue;
    Atomics.add(counts, 3, 1);
    if (verdict !== allow) Atomics.add(counts, 1, 1);
  }
  self.postMessage("stopped");
};
