// SPDX-License-Identifier: Apache-2.0
import { eventCodec, type RuleAction } from "../layout/index.ts";
import { type PacketKey, readEvent, type SlowPathEvent } from "./events.ts";
import type { Frames } from "./frames.ts";
import type { AskVerdict } from "./types.ts";
import type { VerdictDetails } from "./verdict_command.ts";

const ACTIONS: Readonly<Record<AskVerdict["action"], RuleAction>> = {
  forward: "allow",
  drop: "deny",
  reject: "reject",
};

/** Sends a verdict to the worker. False if there is no room: the flow will time out. */
export type SendVerdict = (ticket: number, action: RuleAction, verdict?: VerdictDetails) => boolean;

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
  /** Has it treated as past its time-out, now. */
  giveUp(): void;
}

/** Makes an asked flow of the EVENT_ASK at `at`; `undefined` for what has no key. */
export function readAskedFlow(
  view: DataView,
  bytes: Uint8Array,
  at: number,
  frames: Frames,
  send: SendVerdict,
): AskedFlow | undefined {
  const event = readEvent(view, bytes, at);
  const { key } = event;
  if (key === undefined) return undefined;
  const ticket = eventCodec.ticket.get(view, at);
  let decided = false;
  return {
    ...event,
    key,
    frame: frames.packet(eventCodec.frame.get(view, at), event.length),
    decide: (verdict) => {
      if (decided) return;
      decided = true;
      send(ticket, ACTIONS[verdict.action], verdict);
    },
    giveUp: () => {
      if (decided) return;
      decided = true;
      send(ticket, "none");
    },
  };
}
