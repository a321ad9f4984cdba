// SPDX-License-Identifier: Apache-2.0
/**
 * Reads tables of the kernel's anew while all else goes on: a listing of 500 000 routes takes seconds. What the kernel tells
 * meanwhile is brought into the new copy afterwards, in its order.
 */
import type { Netlink, RouteInfo, WatchEvent } from "../../netlink/index.ts";
import { routeProtocols } from "../../netlink/index.ts";
import type { MirroredVrf } from "./mirrored_vrf.ts";

type RouteEvent = Extract<WatchEvent, { kind: "route" }>;

/** Time that is spent before other work gets its turn. */
const SLICE_MS = 5;

/** Events that are brought in at a turn. */
const REPLAYED = 256;

/**
 * Listings of a family, at most: where routes went meanwhile an IPv6 listing may have missed others
 * (net/ipv6/ip6_fib.c, `fib6_dump_table` skips as many as it had gone by).
 */
const LISTINGS = 4;

export interface RelistingOptions {
  readonly netlink: Netlink;
  readonly vrfs: ReadonlyMap<string, MirroredVrf>;
  /** Some of the differences may be known. */
  readonly onProgress: () => void;
  /** @param busyMs time that the listing itself took */
  readonly onDone: (busyMs: number) => void;
  readonly onFailure: (error: unknown) => void;
}

/** One listing of all tables. */
export class Relisting implements Disposable {
  readonly #o: RelistingOptions;
  readonly #steps: Generator<void>;
  /** What the kernel told since the listing began. */
  readonly #events: RouteEvent[] = [];
  /** IPv6 routes that went. */
  #gone = 0;
  #busyMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(o: RelistingOptions) {
    this.#o = o;
    this.#steps = this.#all();
    this.#next();
  }

  /** A change of a route; whoever keeps the tables has it as well. */
  note(event: RouteEvent): void {
    this.#events.push(event);
    if (event.change === "delete" && event.route.family === 6) this.#gone++;
  }

  #next(): void {
    this.#timer = setTimeout(() => this.#turn(), 0);
  }

  #turn(): void {
    const start = performance.now();
    let done = false;
    try {
      while (!done && performance.now() - start < SLICE_MS) done = this.#steps.next().done === true;
    } catch (error) {
      this.#o.onFailure(error);
      done = true;
    }
    this.#busyMs += performance.now() - start;
    if (!done) this.#next();
    this.#o.onProgress();
    if (done) this.#o.onDone(this.#busyMs);
  }

  *#all(): Generator<void> {
    for (const vrf of this.#o.vrfs.values()) yield* this.#read(vrf);
  }

  *#read({ name, table, exporter }: MirroredVrf): Generator<void> {
    const copy = table.emptyCopy();
    let exported: RouteInfo[] = [];
    const from = this.#events.length;
    for (const family of [4, 6] as const) {
      let gone = -1;
      for (let listing = 0; listing < LISTINGS && gone !== this.#gone; listing++) {
        gone = this.#gone;
        yield* this.#o.netlink.walkRoutes({ table: table.table, family }, () => {
          exported = exported.filter((route) => route.family !== family);
          return (route) => {
            if (route.protocol === routeProtocols.weir) exported.push(route);
            else copy.append(route);
          };
        });
        if (family === 4) break;
      }
    }
    const missed = new Set<RouteEvent>();
    for (let at = from; at < this.#events.length; at++) {
      const event = this.#events[at];
      if (event === undefined || event.route.table !== table.table) continue;
      if (event.change === "new") copy.added(event.route, event.mode);
      else copy.removed(event.route);
      missed.add(event);
      if (at % REPLAYED === 0) yield;
    }
    // From here to the exchange no event can come.
    if (this.#o.vrfs.get(name)?.table !== table) return;
    exporter?.relist(exported);
    for (const { change, route } of missed) exporter?.changed(change, route);
    yield* table.take(copy);
  }

  /** Gives up. What was not compared yet stays unknown: somebody must begin anew. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#steps.return(undefined);
  }
}
