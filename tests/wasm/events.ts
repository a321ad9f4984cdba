// SPDX-License-Identifier: Apache-2.0
/** Events as a worker has written them, in numbers. */

import { eventCodec } from "../../sdk/layout/index.ts";
import type { EventRing } from "../../sdk/slowpath/message_ring.ts";

export interface WorkerEvent {
  readonly kind: number;
  readonly ticket: number;
  readonly frame: number;
  readonly length: number;
  readonly rule: number;
  readonly direction: number;
  readonly dropReason: number;
  readonly generation: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly source: number[];
  readonly head: Uint8Array;
}

/** Takes all events that wait. */
export function takeEvents(ring: EventRing, { view, bytes }: { view: DataView; bytes: Uint8Array }): WorkerEvent[] {
  const events: WorkerEvent[] = [];
  ring.drain((at) => {
    events.push({
      kind: eventCodec.kind.get(view, at),
      ticket: eventCodec.ticket.get(view, at),
      frame: eventCodec.frame.get(view, at),
      length: eventCodec.length.get(view, at),
      rule: eventCodec.rule.get(view, at),
      direction: eventCodec.direction.get(view, at),
      dropReason: eventCodec.dropReason.get(view, at),
      generation: eventCodec.generation.get(view, at),
      sourcePort: eventCodec.sourcePort.get(view, at),
      destinationPort: eventCodec.destinationPort.get(view, at),
      source: [...eventCodec.source.bytes(bytes, at)],
      head: eventCodec.head.bytes(bytes, at).slice(0, eventCodec.headLength.get(view, at)),
    });
  });
  return events;
}
