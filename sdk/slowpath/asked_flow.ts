// SPDX-License-Identifier: Apache-2.0
import type { RuleAction } from "../layout/index.ts";
import type { PacketKey, SlowPathEvent } from "./events.ts";
import type { AskVerdict } from "./types.ts";
import type { WorkerHost } from "./worker_host.ts";

const ACTIONS: Readonly<Record<AskVerdict["action"], RuleAction>> = {
  forward: "allow",
  drop: "deny",
  reject: "reject",
};

/** A flow that policy leaves to the controller. Its packets, three at most, wait in UMEM frames. */
export interface AskedFlow extends SlowPathEvent {
  readonly key: PacketKey;
  /**
   * The first packet: a view into the UMEM, valid until the flow is decided or timed out; `slice()` keeps it. Of a
   * packet that is longer than a frame of the UMEM a copy.
   */
  readonly frame: Uint8Array;
  /** Decides the flow. Only the first call counts, and none after the time-out. */
  decide(verdict: AskVerdict): void;
}

/** Makes an asked flow of an event. */
export function askedFlow(
  host: WorkerHost,
  event: SlowPathEvent & { readonly key: PacketKey },
  frame: Uint8Array,
  ticket: number,
): AskedFlow {
  let decided = false;
  return {
    ...event,
    frame,
    decide: (verdict) => {
      if (decided) return;
      decided = true;
      host.verdict(ticket, ACTIONS[verdict.action], verdict);
    },
  };
}
