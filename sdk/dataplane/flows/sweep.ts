// SPDX-License-Identifier: Apache-2.0
/** Rounds of ageing over both flow tables, in slices of some two milliseconds (bpf/flow_sweep.h). */
import { configCodec, flowSweepArgsCodec, flowSweepArgsLayout } from "../../layout/index.ts";
import type { Program } from "../../libbpf/index.ts";

/** What one round found, in entries; a flow has two. */
export interface SweepResult {
  readonly seen: number;
  /** Those among them that were not just passed over because their time cannot have come. */
  readonly looked: number;
  readonly removed: number;
  /** Flows that go in the next round, if no packet comes. */
  readonly marked: number;
  /** Flows that are being decided. */
  readonly holds: number;
}

const FAMILIES = [4, 6] as const;
const COUNTERS = ["seen", "looked", "removed", "marked", "holds"] as const;
const IDLE_TIMES = [
  "tcpSynSeconds",
  "tcpEstablishedSeconds",
  "tcpFinSeconds",
  "tcpResetSeconds",
  "udpSeconds",
  "icmpSeconds",
  "otherSeconds",
] as const;

/** Walks over the flow tables. */
export class FlowSweep {
  readonly #program: Program;
  readonly #config: DataView;
  readonly #context = new Uint8Array(new ArrayBuffer(flowSweepArgsLayout.size));
  readonly #view = new DataView(this.#context.buffer);
  /** Index of the family that is being swept. */
  #at = 0;
  #idleTimes = "";
  #last: SweepResult = { seen: 0, looked: 0, removed: 0, marked: 0, holds: 0 };

  /**
   * @param program `weir_flow_sweep`
   * @param config memory of the map `config`
   */
  constructor(program: Program, config: DataView) {
    this.#program = program;
    this.#config = config;
  }

  /** What the last whole round found; `seen - removed` is the number of flow entries then. */
  get last(): SweepResult {
    return this.#last;
  }

  /**
   * Goes on with the round for one slice, or begins one.
   * @param all look at each flow, also where its time cannot have come; only the first slice of a round is asked.
   * @returns false when the round is at its end.
   */
  slice(all = false): boolean {
    if (this.#at === 0 && flowSweepArgsCodec.next.get(this.#view, 0) === 0) this.#begin(all);
    flowSweepArgsCodec.family.set(this.#view, 0, FAMILIES[this.#at] ?? 4);
    this.#context.set(this.#program.testRun({ context: this.#context }).context);
    if (flowSweepArgsCodec.done.get(this.#view, 0) === 0) return true;
    flowSweepArgsCodec.next.set(this.#view, 0, 0);
    this.#at = (this.#at + 1) % FAMILIES.length;
    if (this.#at > 0) return true;
    this.#last = this.#found();
    return false;
  }

  #begin(all: boolean): void {
    for (const counter of COUNTERS) flowSweepArgsCodec[counter].set(this.#view, 0, 0);
    // What was not due by the old times may be by the new ones.
    const times = IDLE_TIMES.map((name) => configCodec[name].get(this.#config, 0)).join();
    flowSweepArgsCodec.all.set(this.#view, 0, all || times !== this.#idleTimes ? 1 : 0);
    this.#idleTimes = times;
  }

  #found(): SweepResult {
    const count = (name: (typeof COUNTERS)[number]) => flowSweepArgsCodec[name].get(this.#view, 0);
    return {
      seen: count("seen"),
      looked: count("looked"),
      removed: count("removed"),
      marked: count("marked"),
      holds: count("holds"),
    };
  }
}
