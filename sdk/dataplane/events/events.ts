// SPDX-License-Identifier: Apache-2.0
/** Events for those who iterate over them: bounded, and honest about what was lost. */

import type { DropReason, FlowEndReason, FlowState, TrapReason } from "../../layout/index.ts";
import type { AddressInfo, LinkInfo, NeighbourInfo, RouteInfo, WatchChange } from "../../netlink/index.ts";
import type { FlowKey } from "../flows/types.ts";

/** A dropped packet. How many of them there are a second: `node.dropSamplesPerSecond`. */
export interface DropSample {
  readonly kind: "drop";
  /** When it was dropped, RFC 3339. */
  readonly time: string;
  /** Who dropped it: the kernel programs on one of their hooks, or the slow path. */
  readonly hook: "xdp" | "tc" | "slow-path";
  /** That it came from; `unknown` where none could be found. */
  readonly interface: string;
  readonly reason: DropReason;
  /** Bytes of the frame. */
  readonly length: number;
  /**
   * Its first bytes, at most 128, from the Ethernet header on, as they were at that moment: out of its tunnel if it had
   * come out of one.
   */
  readonly head: Uint8Array;
  /** Id of its outermost VLAN tag. On the TC hook the tag itself is not in `head`. */
  readonly vlan?: number;
  /** Next hop of the tunnel that it came out of. */
  readonly tunnel?: string;
  /** As far as its headers could be read; absent for what is not IP. */
  readonly flow?: FlowKey;
  /** Policy and rule that decided, where one did. */
  readonly policy?: string;
  readonly rule?: string;
}

/** An interface got, lost or follows its device; its programs are where they belong by then. */
export interface InterfaceChange {
  readonly kind: "interface";
  /** RFC 3339. */
  readonly time: string;
  readonly interface: string;
  /** As in the interface's `status`. */
  readonly state: "up" | "down" | "waiting";
  readonly device: string;
  /** waiting: why the device that has the name is not taken. */
  readonly reason?: string;
  readonly ifindex?: number;
  /** Hook in use. */
  readonly hook?: "tc" | "xdp";
  /** Layer 3, in bytes. */
  readonly mtu?: number;
}

/** A flow that has ended, with its final counters. */
export interface FlowEnd {
  readonly kind: "flow-end";
  /** When its entries went, RFC 3339. */
  readonly time: string;
  /** Key of the direction that began. */
  readonly flow: FlowKey;
  /** Key and counters of what answered it; `vrf` where that is another than the flow's. */
  readonly reverse: {
    readonly vrf?: string;
    readonly src: string;
    readonly sport: number;
    readonly dst: string;
    readonly dport: number;
    readonly packets: number;
    readonly bytes: number;
  };
  readonly packets: number;
  /** From the first byte of the IP header. */
  readonly bytes: number;
  /** When it was decided first, and its last packet in either direction; RFC 3339. */
  readonly firstSeen: string;
  readonly lastSeen: string;
  /**
   * idle: no packet came for its idle time. closed, reset: the same, of a TCP connection that had ended by FINs or a
   * reset. deleted: by the controller. changed: the state changed, and it is not allowed as before; its next packet is
   * decided anew. replaced: a decision sends it elsewhere. gave-way: half open, to newer ones.
   */
  readonly reason: Exclude<FlowEndReason, "none">;
  readonly action: "forward" | "drop" | "nat";
  /** The last one. */
  readonly state: FlowState;
  /** Interface that it came from. */
  readonly interface?: string;
  /** Tunnel that it came from. */
  readonly tunnel?: string;
  /** Policy and rule that decided, where one did. */
  readonly policy?: string;
  readonly rule?: string;
  /** Of its entries. */
  readonly generation: number;
}

/** One event. */
export type DataPlaneEvent =
  | { readonly kind: "flow-miss"; readonly time: string; readonly interface: string; readonly flow: FlowKey }
  | FlowEnd
  | {
      readonly kind: "packet";
      readonly time: string;
      readonly interface: string;
      readonly trap: TrapReason;
      readonly length: number;
    }
  | DropSample
  | {
      readonly kind: "log";
      readonly time: string;
      readonly interface: string;
      readonly flow: FlowKey;
      readonly policy?: string;
      readonly rule?: string;
    }
  | InterfaceChange
  | {
      readonly kind: "handler-error";
      readonly time: string;
      /** Whose calls fail: that of `onFlowMiss`, or those of `onPacket`. */
      readonly handler: "flow-miss" | "packet";
      /** Worker of the slow path that the handler is in; absent on the main thread. */
      readonly worker?: number;
      /** What it threw. Told once for each run of failures; `usage().handlerErrors` counts all. */
      readonly reason: string;
    }
  | { readonly kind: "link"; readonly time: string; readonly change: WatchChange; readonly link: LinkInfo }
  | { readonly kind: "address"; readonly time: string; readonly change: WatchChange; readonly address: AddressInfo }
  | { readonly kind: "kernel-route"; readonly time: string; readonly change: WatchChange; readonly route: RouteInfo }
  | { readonly kind: "neigh"; readonly time: string; readonly change: WatchChange; readonly neighbour: NeighbourInfo }
  | { readonly kind: "lost"; readonly time: string; readonly count: number };

/** A kind that can be asked for; `lost` comes by itself. */
export type EventKind = Exclude<DataPlaneEvent["kind"], "lost">;

const KINDS: Readonly<Record<EventKind, true>> = {
  "flow-miss": true,
  "flow-end": true,
  packet: true,
  drop: true,
  log: true,
  interface: true,
  "handler-error": true,
  link: true,
  address: true,
  "kernel-route": true,
  neigh: true,
};

/** All of them. */
export const eventKinds: readonly EventKind[] = Object.keys(KINDS) as EventKind[];

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

  /** Events were lost before they could be pushed. */
  lose(count: number): void {
    this.#lost += count;
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

/** One reader, for a source that has events of its own for each. */
export interface EventReader {
  emit(event: NewEvent): void;
  /** Tells it that so many events were lost on their way here. */
  lose(count: number): void;
}

/**
 * Makes events of some kinds for as long as somebody reads them, for all or for this reader alone: what it returns is
 * disposed when the reader ends.
 */
export type EventSource = (kinds: readonly EventKind[], reader: EventReader) => Disposable;

/** Hands events to all who want them. */
export class EventHub {
  readonly #subscriptions = new Set<Subscription>();
  readonly #sources: EventSource[] = [];
  #closed = false;

  /** Calls `source` with the kinds of each new reader. */
  addSource(source: EventSource): void {
    this.#sources.push(source);
  }

  /** True when somebody reads events of this kind: nothing needs to be made up for nobody. */
  wanted(kind: EventKind): boolean {
    for (const subscription of this.#subscriptions) if (subscription.wants(kind)) return true;
    return false;
  }

  /** @param time RFC 3339; default: now. */
  emit(event: NewEvent, time?: string): void {
    let timed: DataPlaneEvent | undefined;
    for (const subscription of this.#subscriptions) {
      if (event.kind === "lost" || !subscription.wants(event.kind)) continue;
      timed ??= { ...event, time: time ?? new Date().toISOString() };
      subscription.push(timed);
    }
  }

  /** Tells the readers of any of these kinds that so many events were lost on their way here. */
  lose(kinds: readonly EventKind[], count: number): void {
    if (count === 0) return;
    for (const subscription of this.#subscriptions) {
      if (kinds.some((kind) => subscription.wants(kind))) subscription.lose(count);
    }
  }

  /** Events from this call on. */
  subscribe(kinds: readonly EventKind[], o: EventOptions = {}): AsyncIterable<DataPlaneEvent> {
    const subscription = new Subscription(kinds, o.buffer ?? DEFAULT_BUFFER);
    const interest = this.#interest(kinds, {
      emit: (event) => {
        if (event.kind !== "lost") subscription.push({ ...event, time: new Date().toISOString() });
      },
      lose: (count) => subscription.lose(count),
    });
    const end = () => subscription.end();
    this.#subscriptions.add(subscription);
    o.signal?.addEventListener("abort", end, { once: true });
    if (o.signal?.aborted === true || this.#closed) end();
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

  #interest(kinds: readonly EventKind[], reader: EventReader): Disposable {
    using stack = new DisposableStack();
    for (const source of this.#closed ? [] : this.#sources) stack.use(source(kinds, reader));
    return stack.move();
  }

  /** Ends all iterations, also of those who come later. */
  close(): void {
    this.#closed = true;
    for (const subscription of this.#subscriptions) subscription.end();
  }
}
