// SPDX-License-Identifier: Apache-2.0
/** The main thread's part of `decisions`, and the kernel program that carries it out. */

import type { RawFlowKey } from "../../layout/index.ts";
import {
  flowDecisionCodec,
  flowDecisionLayout,
  flowUpdateArgsCodec,
  flowUpdateArgsLayout,
  WEIR_DECISIONS_PER_WORKER,
  WEIR_MAX_WORKERS,
} from "../../layout/index.ts";
import type { BpfMap, Mapping, Program } from "../../libbpf/index.ts";

/** The last worker's part is the main thread's. */
const FIRST = (WEIR_MAX_WORKERS - 1) * WEIR_DECISIONS_PER_WORKER;

/** `WEIR_DECISIONS_PER_WORKER` records, written here and read by `weir_flow_update`. */
export class DecisionRecords implements Disposable {
  readonly #mapping: Mapping;
  readonly #update: Program;
  readonly view: DataView<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;

  constructor(decisions: BpfMap, update: Program) {
    this.#mapping = decisions.mmap();
    this.#update = update;
    this.view = new DataView(this.#mapping.view);
    this.bytes = new Uint8Array(this.#mapping.view);
  }

  /** Offset of a record. */
  at(index: number): number {
    return (FIRST + index) * flowDecisionLayout.size;
  }

  /** Begins a record with its key. @returns its offset */
  begin(index: number, key: RawFlowKey): number {
    const codec = flowDecisionCodec;
    const { view, bytes } = this;
    const base = this.at(index);
    bytes.fill(0, base, base + flowDecisionLayout.size);
    codec.family.set(view, base, key.family);
    codec.vrf.set(view, base, key.vrf);
    codec.source.set(bytes, base, key.source);
    codec.destination.set(bytes, base, key.destination);
    codec.sourcePort.set(view, base, key.sourcePort);
    codec.destinationPort.set(view, base, key.destinationPort);
    codec.protocol.set(view, base, key.protocol);
    return base;
  }

  /**
   * Carries out the first `count` records, which then hold their results.
   * @param which `changes`: those that set or delete entries; `others`: those that do not.
   * @returns entries that were deleted
   */
  apply(count: number, which: "changes" | "others" = "changes"): number {
    const context = new Uint8Array(flowUpdateArgsLayout.size);
    const view = new DataView(context.buffer);
    flowUpdateArgsCodec.first.set(view, 0, FIRST);
    flowUpdateArgsCodec.count.set(view, 0, count);
    flowUpdateArgsCodec.others.set(view, 0, which === "others" ? 1 : 0);
    const result = this.#update.testRun({ context }).context;
    return flowUpdateArgsCodec.removed.get(new DataView(result.buffer, result.byteOffset, result.byteLength), 0);
  }

  [Symbol.dispose](): void {
    this.#mapping[Symbol.dispose]();
  }
}
