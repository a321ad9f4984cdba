// SPDX-License-Identifier: Apache-2.0
/** Events for those who iterate over them: bounded, and honest about what was lost. */

import type { DropReason, TrapReason } from "../layout/index.ts";
import type { AddressInfo, LinkInfo, NeighbourInfo, RouteInfo, WatchChange } from "../netlink/index.ts";
import type { FlowKey } from "./flows/types.ts";

/** One event. */
export type DataPlaneEvent =
  | { readonly kind: "flow-miss"; readonly time: string; readonly interface: string; readonly flow: FlowKey }
  | {
      readonly kind: "packet";
      readonly time: string;
      readonly interface: string;
      readonly trap: TrapReason;
      readonly length: number;
    }
  | {
      readonly kind: "drop";
      readonly time: string;
      readonly interface: string;
      readonly reason: DropReason;
      readonly flow?: FlowKey;
      readonly policy?: string;
      readonly rule?: string;
    }
  | {
      readonly kind: "log";
      readonly time: string;
      readonly interface: string;
      readonly flow: FlowKey;
      readonly policy?: string;
      readonly rule?: string;
    }
  | { readonly kind: "link"; readonly time: string; readonly change: WatchChange; readonly link: LinkInfo }
  | { readonly kind: "address"; readonly time: string; readonly change: WatchChange; readonly address: AddressInfo }
  | { readonly kind: "kernel-route"; readonly time: string; readonly change: WatchChange; readonly route: RouteInfo }
  | { readonly kind: "neigh"; readonly time: string; readonly change: WatchChange; readonly neighbour: NeighbourInfo }
  | { readonly kind: "lost"; readonly time: string; readonly count: number };

/** A kind that can be asked for; `lost` comes by itself. */
export type EventKind = Exclude<DataPlaneEvent["kind"], "lost">;

/** Options of `events`. */
export interface EventOptions {
  /** Events that may wait for the reader. Default 1024. */
  readonly buffer?: number | undefined;
  /** Ends the iteration. */
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_BUFFER = 1024;

/** An event without its time. */
export type NewEvent = DataPlaneEvent extends infer E ? (E extends { time: string } ? Omit<E, "time"> : never) : never;

/** One reader's queue. */
class Subscription {
  readonly #kinds: ReadonlySet<EventKind>;
  readonly #capacity: number;
  #queue: DataPlaneEvent[] = [];
  #lost = 0;
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(kinds: Iterable<EventKind>, capacity: number) {
    this.#kinds = new Set(kinds);
    this.#capacity = capacity;
  }

  wants(kind: EventKind): boolean {
    return this.#kinds.has(kind);
  }

  push(event: DataPlaneEvent): void {
    if (this.#queue.length >= this.#capacity) this.#lost++;
    else this.#queue.push(event);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *read(): AsyncGenerator<DataPlaneEvent> {
    for (;;) {
      const batch = this.#queue;
      const lost = this.#lost;
      this.#queue = [];
      this.#lost = 0;
      yield* batch;
      if (lost > 0) yield { kind: "lost", time: new Date().toISOString(), count: lost };
      if (this.#queue.length > 0 || this.#lost > 0) continue;
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}

/** Hands events to all who want them. */
export class EventHub {
  readonly #subscriptions = new Set<Subscription>();
  readonly #onInterest: (kinds: readonly EventKind[]) => Disposable;

  /** @param onInterest called with the kinds of each new reader; what it returns is disposed when the reader ends. */
  constructor(onInterest: (kinds: readonly EventKind[]) => Disposable) {
    this.#onInterest = onInterest;
  }

  /** True when somebody reads events of this kind: nothing needs to be made up for nobody. */
  wanted(kind: EventKind): boolean {
    for (const subscription of this.#subscriptions) if (subscription.wants(kind)) return true;
    return false;
  }

  emit(event: NewEvent): void {
    let timed: DataPlaneEvent | undefined;
    for (const subscription of this.#subscriptions) {
      if (event.kind === "lost" || !subscription.wants(event.kind)) continue;
      timed ??= { ...event, time: new Date().toISOString() };
      subscription.push(timed);
    }
  }

  /** Events from this call on. */
  subscribe(kinds: readonly EventKind[], o: EventOptions = {}): AsyncIterable<DataPlaneEvent> {
    const subscription = new Subscription(kinds, o.buffer ?? DEFAULT_BUFFER);
    const interest = this.#onInterest(kinds);
    const end = () => subscription.end();
    this.#subscriptions.add(subscription);
    o.signal?.addEventListener("abort", end, { once: true });
    if (o.signal?.aborted === true) end();
    const leave = () => {
      this.#subscriptions.delete(subscription);
      o.signal?.removeEventListener("abort", end);
      interest[Symbol.dispose]();
    };
    return {
      async *[Symbol.asyncIterator]() {
        try {
          yield* subscription.read();
        } finally {
          leave();
        }
      },
    };
  }

  /** Ends all iterations. */
  close(): void {
    for (const subscription of this.#subscriptions) subscription.end();
  }
}
