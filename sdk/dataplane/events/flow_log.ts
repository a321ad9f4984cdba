// SPDX-License-Identifier: Apache-2.0
/** The flow log: what ended, for those who read `flow-end` events; nothing is written down for nobody. */
import { configCodec, INGRESS_TUNNEL } from "../../layout/index.ts";
import type { SlowPath } from "../../slowpath/index.ts";
import { endpoints } from "../flows/codec.ts";
import type { EndedFlow, FlowEndRing } from "../flows/flow_end_ring.ts";
import { timeText, wallClockOffsetMs } from "../instance/clock.ts";
import type { StructArray } from "../kernel/struct_array.ts";
import type { Names } from "../status/names.ts";
import { EventReaders } from "./event_readers.ts";
import type { EventHub, FlowEnd } from "./events.ts";

/** Ends that are handed out at a time: readers whose buffer is of the default size can take them. */
const BATCH = 512;

/** What the flow log works with. */
export interface FlowLogOptions {
  readonly ring: FlowEndRing;
  readonly config: StructArray;
  readonly slowPath: Pick<SlowPath, "watch">;
  readonly names: Names;
  readonly events: EventHub;
}

/** Has the kernel programs tell of what ends while somebody reads, and makes events of it. */
export class FlowLog implements Disposable {
  readonly #o: FlowLogOptions;
  readonly #readers: EventReaders;
  #next: ReturnType<typeof setImmediate> | undefined;

  constructor(o: FlowLogOptions) {
    this.#o = o;
    const { ring, slowPath } = o;
    const source = { ring, slowPath, read: () => this.#read(), turn: (on: boolean) => this.#turn(on) };
    this.#readers = new EventReaders(o.events, { kind: "flow-end", ...source });
  }

  #turn(on: boolean): void {
    configCodec.flowEnds.set(this.#o.config.view, 0, on ? 1 : 0);
    clearImmediate(this.#next);
    this.#next = undefined;
  }

  /** Hands out a batch; the readers have their turn before the next. */
  #read(): void {
    const { ring, events, names } = this.#o;
    const offsetMs = wallClockOffsetMs();
    clearImmediate(this.#next);
    const count = ring.read((end) => events.emit(eventOf(names, end, offsetMs), timeText(end.time, offsetMs)), BATCH);
    events.lose(["flow-end"], ring.takeLost());
    this.#next = count === BATCH ? setImmediate(() => this.#read()) : undefined;
  }

  [Symbol.dispose](): void {
    this.#readers[Symbol.dispose]();
    this.#o.ring[Symbol.dispose]();
  }
}

function eventOf(names: Names, end: EndedFlow, offsetMs: number): Omit<FlowEnd, "time"> {
  const { key, reverse, ingress } = end;
  return {
    kind: "flow-end",
    flow: names.flowKey(key),
    reverse: {
      ...(reverse.vrf === key.vrf ? {} : { vrf: names.vrf(reverse.vrf) }),
      ...endpoints(reverse),
      packets: end.reversePackets,
      bytes: end.reverseBytes,
    },
    packets: end.packets,
    bytes: end.bytes,
    firstSeen: timeText(end.firstSeen, offsetMs),
    lastSeen: timeText(end.lastSeen, offsetMs),
    reason: end.reason === "none" ? "deleted" : end.reason,
    action: end.action === "drop" || end.action === "nat" ? end.action : "forward",
    state: end.state,
    ...((ingress & INGRESS_TUNNEL) === 0 ? { interface: names.interface(ingress) } : names.tunnel(ingress)),
    ...names.rule(end.rule),
    generation: end.generation,
  };
}
