// SPDX-License-Identifier: Apache-2.0
/** Samples of dropped packets for those who read drop events; nothing is sampled for nobody. */
import { configCodec } from "../../layout/index.ts";
import type { DropEvent, SlowPath } from "../../slowpath/index.ts";
import { timeText, wallClockOffsetMs } from "../instance/clock.ts";
import type { StructArray } from "../kernel/struct_array.ts";
import type { Names } from "../status/names.ts";
import type { DropRing, KernelDrop } from "./drop_ring.ts";
import { EventReaders } from "./event_readers.ts";
import type { DropSample, EventHub } from "./events.ts";

/** What the sampling works with. */
export interface DropSamplingOptions {
  readonly ring: DropRing;
  readonly config: StructArray;
  readonly slowPath: Pick<SlowPath, "setDropSamples" | "watch">;
  readonly names: Names;
  readonly events: EventHub;
  /** The state's `dropSamplesPerSecond`. */
  readonly perSecond: () => number;
}

/** Turns sampling on while drop events are read, and makes events of the kernel programs' samples. */
export class DropSampling implements Disposable {
  readonly #o: DropSamplingOptions;
  readonly #readers: EventReaders;

  constructor(o: DropSamplingOptions) {
    this.#o = o;
    const { ring, slowPath } = o;
    const source = { ring, slowPath, read: () => this.#read(), turn: () => this.refresh() };
    this.#readers = new EventReaders(o.events, { kind: "drop", ...source });
  }

  /** Goes by the state's limit, which may have changed. */
  refresh(): void {
    this.#set(this.#readers.present ? this.#o.perSecond() : 0);
  }

  #set(perSecond: number): void {
    configCodec.dropSamples.set(this.#o.config.view, 0, perSecond);
    this.#o.slowPath.setDropSamples(perSecond);
  }

  #read(): void {
    const { ring, events, names } = this.#o;
    const offsetMs = wallClockOffsetMs();
    ring.read((drop) => events.emit(sampleOf(names, drop), timeText(drop.time, offsetMs)));
    events.lose(["drop"], ring.takeLost());
  }

  [Symbol.dispose](): void {
    this.#readers[Symbol.dispose]();
    this.#o.ring[Symbol.dispose]();
  }
}

function sampleOf(names: Names, drop: KernelDrop): Omit<DropSample, "time"> {
  return {
    kind: "drop",
    hook: drop.hook === "xdp" ? "xdp" : "tc",
    interface: names.interface(drop.interfaceId),
    reason: drop.reason,
    length: drop.length,
    head: drop.head,
    ...(drop.vlan === 0 ? {} : { vlan: drop.vlan }),
    ...names.tunnel(drop.ingress),
    ...(drop.key === undefined ? {} : { flow: names.flowKey(drop.key) }),
    ...names.rule(drop.rule),
  };
}

/** The event of a packet that the slow path dropped. */
export function emitSlowPathDrop(events: EventHub, names: Names, drop: DropEvent): void {
  const event: Omit<DropSample, "time"> = {
    kind: "drop",
    hook: "slow-path",
    interface: names.interface(drop.interfaceId),
    reason: drop.dropReason,
    length: drop.length,
    head: drop.head,
    ...(drop.key === undefined ? {} : { flow: names.flowKey(drop.key) }),
    ...names.rule(drop.rule),
  };
  events.emit(event, timeText(drop.time, wallClockOffsetMs()));
}
