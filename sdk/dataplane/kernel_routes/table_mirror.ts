// SPDX-License-Identifier: Apache-2.0
/** The routes of one of the kernel's tables, as dumps and events tell of them. */
import type { Family } from "../../address.ts";
import type { RouteInfo, RouteMode, RouteNextHop } from "../../netlink/index.ts";
import { routeProtocols } from "../../netlink/index.ts";
import { hopKey, type KernelRoute, type KernelWay, type KernelWays } from "./kernel_way.ts";
import { ShardedMap } from "./sharded_map.ts";

/** Routes to one destination, those of the lowest priority first, of one priority the one that the kernel takes first. */
type Entry = KernelRoute | readonly KernelRoute[];

/** Destinations that are compared at a turn. */
const COMPARED = 1024;

/** Follows one table. Destinations whose route may be another one are `dirty` until somebody has looked at them. */
export class TableMirror {
  readonly table: number;
  /** Destinations in their canonical text. */
  readonly dirty = new Set<string>();
  /** There are other ways in use than when this was last set to false. */
  waysChanged = false;
  readonly #ways: KernelWays;
  #entries = new ShardedMap<Entry>();
  /** How many destinations lead each way. */
  #uses = new Map<KernelWay, number>();

  constructor(table: number, ways: KernelWays) {
    this.table = table;
    this.#ways = ways;
  }

  /** Destinations that the table has routes to. */
  get size(): number {
    return this.#entries.size;
  }

  /** The ways that destinations lead, and how many each. */
  get ways(): ReadonlyMap<KernelWay, number> {
    return this.#uses;
  }

  destinations(): IterableIterator<string> {
    return this.#entries.keys();
  }

  /** Where a destination leads; `undefined` without a route. */
  wayTo(destination: string): KernelWay | undefined {
    return winnerOf(this.#entries.get(destination))?.way;
  }

  /**
   * Takes the whole table anew. What `list` hands to its visitor becomes the table; differences become dirty.
   * @param list visits the routes of a family, and calls `begin` before each attempt
   */
  relist(list: (family: Family, begin: () => (route: RouteInfo) => void) => void): void {
    const copy = this.emptyCopy();
    for (const family of [4, 6] as const) {
      list(family, () => {
        copy.forget(family);
        return (route) => copy.append(route);
      });
    }
    const comparing = this.take(copy);
    while (comparing.next().done !== true);
  }

  /** A copy of the table to be filled by `append` and events, and taken over then. */
  emptyCopy(): TableMirror {
    return new TableMirror(this.table, this.#ways);
  }

  /** A listing that was interrupted begins again; the other family's routes stay. */
  forget(family: Family): void {
    for (const [destination, entry] of this.#entries) {
      if (destination.includes(":") !== (family === 6)) continue;
      this.#entries.delete(destination);
      this.#count(winnerOf(entry), -1);
    }
  }

  /** A route of a listing. One that is known already stays as it is. */
  append(route: RouteInfo): void {
    if (!isMirrored(route, this.table)) return;
    const known = this.#entries.get(route.destination);
    const added = this.#ways.routeOf(route);
    this.#put(route.destination, known === undefined ? added : inserted(listOf(known), added, "append"));
  }

  /**
   * Takes over what another copy has, at once; differences become dirty, a part of them at each turn. Changes may come in
   * between, but no other copy.
   */
  *take(copy: TableMirror): Generator<void> {
    const before = this.#entries;
    this.#entries = copy.#entries;
    this.#uses = copy.#uses;
    this.waysChanged = true;
    let turn = 0;
    for (const [destination, was] of before) {
      if (winnerOf(was) !== winnerOf(this.#entries.get(destination))) this.dirty.add(destination);
      if (++turn % COMPARED === 0) yield;
    }
    for (const destination of this.#entries.keys()) {
      if (!before.has(destination)) this.dirty.add(destination);
      if (++turn % COMPARED === 0) yield;
    }
  }

  /** A route came, or was changed. */
  added(route: RouteInfo, mode: RouteMode): void {
    if (!isMirrored(route, this.table)) return;
    const { destination } = route;
    const added = this.#ways.routeOf(route);
    const known = this.#entries.get(destination);
    if (known === undefined) {
      this.#set(destination, added);
      return;
    }
    const list = listOf(known);
    if (mode !== "replace" && route.family === 6 && added.way.nexthopId === undefined && isEcmp(added)) {
      // The message has all ways of the multipath route that the new one joined.
      const others = list.filter((other) => other.priority !== added.priority || !isEcmp(other));
      this.#set(destination, inserted(others, added, "append"));
      return;
    }
    this.#set(destination, inserted(list, added, mode));
  }

  /**
   * A route went.
   * @returns false if it is not known, but another one of its priority is: the copy may not be what the kernel has
   */
  removed(route: RouteInfo): boolean {
    if (!isMirrored(route, this.table)) return true;
    const { destination } = route;
    const known = this.#entries.get(destination);
    // It is gone, whatever was thought.
    if (known === undefined) return true;
    const gone = this.#ways.routeOf(route);
    const list = listOf(known);
    const at = list.indexOf(gone);
    if (at >= 0) {
      this.#set(destination, entryOf(list.toSpliced(at, 1)));
      return true;
    }
    const whole = list.findIndex((other) => other.priority === gone.priority && hasAll(other.way, gone.way));
    const multipath = list[whole];
    if (route.family !== 6 || multipath === undefined) return !list.some(({ priority }) => priority === gone.priority);
    // IPv6 tells of each way that leaves a multipath route, and not of its weight.
    const left = new Set(gone.way.hops.map(placeOf));
    const stay = multipath.way.hops.filter((hop) => !left.has(placeOf(hop)));
    // The weight of an only way says nothing, and the kernel does not say it.
    const nextHops = stay.length === 1 ? stay.map((hop) => ({ ...hop, weight: 1 })) : stay;
    const rest = nextHops.length === 0 ? [] : [this.#ways.routeOf({ ...route, nextHops })];
    this.#set(destination, entryOf(list.toSpliced(whole, 1, ...rest)));
    return true;
  }

  /** Takes away all routes that lead one of these ways, of which the kernel does not tell. */
  removeWays(gone: (way: KernelWay) => boolean): void {
    const doomed = new Set<KernelWay>();
    const isDoomed = ({ way }: KernelRoute): boolean => {
      if (doomed.has(way)) return true;
      if (gone(way)) doomed.add(way);
      return doomed.has(way);
    };
    for (const [destination, entry] of this.#entries) {
      const list = listOf(entry);
      if (list.some(isDoomed)) this.#set(destination, entryOf(list.filter((route) => !isDoomed(route))));
    }
  }

  /** Has the destinations that lead one of these ways looked at again. */
  touch(ways: ReadonlySet<KernelWay>): void {
    if (ways.size === 0) return;
    for (const [destination, entry] of this.#entries) {
      const way = winnerOf(entry)?.way;
      if (way !== undefined && ways.has(way)) this.dirty.add(destination);
    }
  }

  /** Collects all ways, also of routes that others stand before. */
  collectWays(into: Set<KernelWay>): void {
    for (const entry of this.#entries.values()) for (const { way } of listOf(entry)) into.add(way);
  }

  #set(destination: string, entry: Entry | undefined): void {
    if (this.#put(destination, entry)) this.dirty.add(destination);
  }

  /** @returns whether another route than before is taken */
  #put(destination: string, entry: Entry | undefined): boolean {
    const [was, is] = [winnerOf(this.#entries.get(destination)), winnerOf(entry)];
    if (entry === undefined) this.#entries.delete(destination);
    else this.#entries.set(destination, entry);
    if (was === is) return false;
    this.#count(was, -1);
    this.#count(is, 1);
    return true;
  }

  #count(route: KernelRoute | undefined, difference: number): void {
    if (route === undefined) return;
    const count = (this.#uses.get(route.way) ?? 0) + difference;
    if (count === 0) this.#uses.delete(route.way);
    else this.#uses.set(route.way, count);
    if (count === 0 || (count === 1 && difference === 1)) this.waysChanged = true;
  }
}

/**
 * Left out: what Weir has put there itself, what is for some packets to the destination only, and IPv4-mapped
 * destinations, which no packet has.
 */
function isMirrored(route: RouteInfo, table: number): boolean {
  return (
    route.table === table &&
    route.protocol !== routeProtocols.weir &&
    route.typeOfService === 0 &&
    route.source === undefined &&
    !route.destination.startsWith("::ffff:")
  );
}

const listOf = (entry: Entry): readonly KernelRoute[] => (Array.isArray(entry) ? entry : [entry as KernelRoute]);

function winnerOf(entry: Entry | undefined): KernelRoute | undefined {
  return Array.isArray(entry) ? entry[0] : (entry as KernelRoute | undefined);
}

function entryOf(list: readonly KernelRoute[]): Entry | undefined {
  return list.length > 1 ? list : list[0];
}

/**
 * Like `fib_table_insert`: of one priority a created route comes first, an appended one last. The kernel has none twice:
 * one that is known already was read from the table before its event came.
 */
function inserted(known: readonly KernelRoute[], route: KernelRoute, mode: RouteMode): Entry {
  const same = known.findIndex(({ priority }) => priority === route.priority);
  const list = known.filter((other, i) => other !== route && !(mode === "replace" && i === same));
  const behind = list.findIndex(
    ({ priority }) => priority > route.priority || (mode !== "append" && priority === route.priority),
  );
  return entryOf(list.toSpliced(behind < 0 ? list.length : behind, 0, route)) ?? route;
}

/** IPv6 joins routes of one priority that have gateways (`rt6_qualify_for_ecmp`). */
const isEcmp = ({ way }: KernelRoute): boolean =>
  way.hops.length > 0 && way.hops.every((hop) => hop.gateway !== undefined);

const placeOf = (hop: RouteNextHop): string => hopKey({ ...hop, weight: 1 });

function hasAll(whole: KernelWay, part: KernelWay): boolean {
  if (part.hops.length === 0) return false;
  const places = new Set(whole.hops.map(placeOf));
  return part.hops.every((hop) => places.has(placeOf(hop)));
}
