// SPDX-License-Identifier: Apache-2.0
import type { AskedFlow } from "../../slowpath/index.ts";
import type { FlowLookup } from "../flows/decider.ts";
import type { FlowKey } from "../flows/types.ts";
import type { Names } from "../status/names.ts";
import { askVerdictOf, type Verdict } from "./verdict.ts";

/** A new flow that waits for its verdict. Up to three of its packets wait with it. */
export interface FlowMiss {
  readonly key: FlowKey;
  /** Interface that its first packet came from. */
  readonly interface: string;
  /** Unique for the flow's entry in the kernel. */
  readonly generation: number;
  /**
   * Its first packet, from the Ethernet header on: a view that is valid until the flow is decided. `copy` keeps it. Of
   * a packet that is longer than a frame of the slow path (1792 bytes) it is a copy already.
   */
  readonly frame: Uint8Array;
  copy(): Uint8Array;
  /**
   * Decides it, now or later. Only the first call counts, and none after the time-out.
   * @throws WeirError `EINVAL` for what names something that is not there or does not go together; then it waits on.
   */
  decide(verdict: Verdict): void;
}

/** Decides flows; gets those of one wake-up, or of one poll in a worker, at once. It may return a promise. */
export type FlowMissHandler = (misses: readonly FlowMiss[]) => void;

/** What is made once for all misses. */
export interface MissContext {
  readonly names: Names;
  readonly lookup: FlowLookup;
  /** Told when a flow has got its verdict. */
  readonly onDecided?: () => void;
}

/** A miss whose texts are made when they are asked for: not every handler looks at all of them. */
export class Miss implements FlowMiss {
  readonly #flow: AskedFlow;
  readonly #context: MissContext;
  #key: FlowKey | undefined;
  #decided = false;

  constructor(flow: AskedFlow, context: MissContext) {
    this.#flow = flow;
    this.#context = context;
  }

  get key(): FlowKey {
    this.#key ??= this.#context.names.flowKey(this.#flow.key);
    return this.#key;
  }

  get interface(): string {
    return this.#context.names.interface(this.#flow.interfaceId);
  }

  get generation(): number {
    return this.#flow.generation;
  }

  get frame(): Uint8Array {
    return this.#flow.frame;
  }

  readonly copy = (): Uint8Array => this.#flow.frame.slice();

  readonly decide = (verdict: Verdict): void => {
    const inNumbers = askVerdictOf(this.#context.lookup, this.#flow, verdict);
    this.#flow.decide(inNumbers);
    this.#settled();
  };

  /** Its handler failed: what becomes of flows past their time-out becomes of it now, unless it is decided. */
  giveUp(): void {
    this.#flow.giveUp();
    this.#settled();
  }

  get decided(): boolean {
    return this.#decided;
  }

  #settled(): void {
    if (this.#decided) return;
    this.#decided = true;
    this.#context.onDecided?.();
  }
}
