// SPDX-License-Identifier: Apache-2.0
/** The flows that a handler in the worker's own thread is asked about, and its verdicts. */

import { workerControlCodec } from "../layout/index.ts";
import { type AskedFlow, readAskedFlow, type SendVerdict } from "./asked_flow.ts";
import { Frames } from "./frames.ts";
import { CommandRing, EventRing } from "./message_ring.ts";
import { writeVerdict } from "./verdict_command.ts";

/** Flows of a poll are 256 at most; more are there when the handler has become ready only now. */
const BATCH = 256;

/** The worker's ends of the rings between its WebAssembly module and the handler beside it. */
export class OwnAsks {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  readonly #control: number;
  readonly #frames: Frames;
  readonly #events: EventRing;
  readonly #commands: CommandRing;

  constructor(view: DataView, bytes: Uint8Array, words: Int32Array, control: number) {
    this.#view = view;
    this.#bytes = bytes;
    this.#control = control;
    this.#frames = new Frames(view, bytes, control);
    this.#events = new EventRing(view, words, workerControlCodec.ownAsks.get(view, control));
    this.#commands = new CommandRing(view, words, workerControlCodec.ownVerdicts.get(view, control));
  }

  /** The flows that wait to be handed out, a batch at most. */
  take(): readonly AskedFlow[] {
    const flows: AskedFlow[] = [];
    this.#events.drain((at) => {
      const flow = readAskedFlow(this.#view, this.#bytes, at, this.#frames, this.#send);
      if (flow !== undefined) flows.push(flow);
    }, BATCH);
    return flows;
  }

  readonly #send: SendVerdict = (ticket, action, verdict) =>
    this.#commands.push((at) => writeVerdict(this.#view, this.#bytes, at, ticket, action, verdict));

  /** Counts a call of the handler that failed. */
  countError(): void {
    const counter = workerControlCodec.handlerErrors;
    counter.set(this.#view, this.#control, BigInt(counter.getNumber(this.#view, this.#control) + 1));
  }
}
