// SPDX-License-Identifier: Apache-2.0
/** The events of the workers' rings, handed to those who take them on the main thread. */

import { EventKindValue, eventCodec, type Lent, type TrapReason } from "../layout/index.ts";
import { type AskedFlow, readAskedFlow } from "./asked_flow.ts";
import { readDrop, readEvent, type TrappedPacket } from "./events.ts";
import type { SlowPathOptions } from "./types.ts";
import type { WorkerHost } from "./worker_host.ts";

/** Takes the asked flows of one wake-up together. */
export type AskHandler = (flows: readonly AskedFlow[]) => void;
/** Takes trapped packets; their frames are valid only during the call. Says what became of each. */
export type TrapHandler = (packets: readonly TrappedPacket[]) => readonly Lent[];

/** A packet that is lent until its handler has had it. */
interface LentPacket {
  readonly packet: TrappedPacket;
  /** Address of its first byte. */
  readonly address: number;
  lent: Lent;
}

/** Hands events on. */
export class Deliveries {
  readonly #options: Pick<SlowPathOptions, "onLog" | "onDrop" | "onMiss" | "onLost" | "onFailure">;
  /** Who takes packets trapped for a reason. */
  readonly traps = new Map<TrapReason, TrapHandler>();
  /** Who decides asked flows. */
  ask: AskHandler | undefined;

  constructor(options: Pick<SlowPathOptions, "onLog" | "onDrop" | "onMiss" | "onLost" | "onFailure">) {
    this.#options = options;
  }

  /** Hands the waiting events of a worker on. */
  drain(host: WorkerHost): void {
    const asked: AskedFlow[] = [];
    const packets: LentPacket[] = [];
    const { view, bytes, frames } = host.memory;
    host.rearmEvents();
    host.events.drain((at) => {
      switch (eventCodec.kind.get(view, at)) {
        case EventKindValue.ask: {
          const flow = readAskedFlow(view, bytes, at, frames, host.verdict);
          if (flow !== undefined) asked.push(flow);
          break;
        }
        case EventKindValue.packet: {
          const event = readEvent(view, bytes, at);
          const address = eventCodec.frame.get(view, at);
          // Nobody is there for it any more, unless it finds its handler below.
          packets.push({
            packet: { ...event, frame: frames.packet(address, event.length) },
            address,
            lent: "declined",
          });
          break;
        }
        case EventKindValue.miss:
          this.report(() => this.#options.onMiss?.(readEvent(view, bytes, at)));
          break;
        case EventKindValue.log:
          this.report(() => this.#options.onLog?.(readEvent(view, bytes, at)));
          break;
        case EventKindValue.drop:
          this.report(() => this.#options.onDrop?.(readDrop(view, bytes, at)));
          break;
      }
    });
    const lost = host.takeLost();
    if (lost > 0) this.report(() => this.#options.onLost?.(lost));
    try {
      // Without a handler, which was taken away meanwhile, they time out.
      if (asked.length > 0) this.report(() => this.ask?.(asked));
      this.#handPackets(packets);
    } finally {
      for (const { packet, address, lent } of packets) host.release(address, packet.length, lent);
    }
  }

  #handPackets(packets: readonly LentPacket[]): void {
    const byHandler = Map.groupBy(packets, ({ packet }) => this.traps.get(packet.reason));
    for (const [handler, list] of byHandler) {
      if (handler === undefined) continue;
      // A handler that throws has had them.
      for (const one of list) one.lent = "taken";
      this.report(() => {
        const results = handler(list.map(({ packet }) => packet));
        for (const [i, one] of list.entries()) one.lent = results[i] ?? "taken";
      });
    }
  }

  /** A handler that throws must not keep the other events, nor the frames, from going on. */
  report(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#options.onFailure?.(`a handler threw: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
