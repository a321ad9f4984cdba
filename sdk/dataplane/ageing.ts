// SPDX-License-Identifier: Apache-2.0
/** Runs the kernel's sweep of idle flows. */
import { flowSweepArgsCodec, flowSweepArgsLayout } from "../layout/index.ts";
import type { Program } from "../libbpf/index.ts";

/** Time between two sweeps. A flow goes at the second sweep after its idle time. */
const INTERVAL_MS = 5000;

/** What one sweep of both tables found. */
export interface SweepResult {
  readonly seen: number;
  readonly removed: number;
  readonly marked: number;
  readonly holds: number;
}

/** Sweeps the flow tables periodically until disposed. */
export class Ageing implements Disposable {
  readonly #program: Program;
  readonly #timer: ReturnType<typeof setInterval>;
  #last: SweepResult = { seen: 0, removed: 0, marked: 0, holds: 0 };

  /** @param also done at the same times. */
  constructor(program: Program, also: () => void) {
    this.#program = program;
    this.#timer = setInterval(() => {
      this.sweep();
      also();
    }, INTERVAL_MS);
    this.#timer.unref();
  }

  /** What the last sweep found; `seen - removed` is the number of flow entries then. */
  get last(): SweepResult {
    return this.#last;
  }

  /** Sweeps both tables now. */
  sweep(): SweepResult {
    const total = { seen: 0, removed: 0, marked: 0, holds: 0 };
    for (const family of [4, 6]) {
      const context = new Uint8Array(flowSweepArgsLayout.size);
      flowSweepArgsCodec.family.set(new DataView(context.buffer), 0, family);
      const result = this.#program.testRun({ context }).context;
      const view = new DataView(result.buffer, result.byteOffset, result.byteLength);
      total.seen += flowSweepArgsCodec.seen.get(view, 0);
      total.removed += flowSweepArgsCodec.removed.get(view, 0);
      total.marked += flowSweepArgsCodec.marked.get(view, 0);
      total.holds += flowSweepArgsCodec.holds.get(view, 0);
    }
    this.#last = total;
    return total;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
