// SPDX-License-Identifier: Apache-2.0
/**
 * Which paths lead to each target, as a state machine without a clock, sockets or timers: it is told of the
 * kernel's changes, asks a {@link KernelView} for what it does not know, and gives the paths that changed.
 */

import { type IpAddress, parseAddress, parsePrefix } from "../../address.ts";
import { WeirError } from "../../errors.ts";
import { CoveringPrefixes } from "../flows/covering_prefixes.ts";
import { PackedPrefixes } from "../routes/packed_prefixes.ts";
import {
  samePaths,
  type UnderlayLink,
  type UnderlayNeighbour,
  type UnderlayPath,
  type UnderlayRoute,
  type UnderlayTarget,
  type UnderlayWait,
  type UnderlayWay,
} from "./path.ts";
import { UsedFacts } from "./users.ts";

/** The kernel's tables. All calls give the state of now. */
export interface KernelView {
  route(target: UnderlayTarget): UnderlayRoute;
  /** Waits for changes that are under way, so that the next answers contain them. */
  settle(): void;
  link(ifindex: number): UnderlayLink | undefined;
  neighbour(ifindex: number, address: string): UnderlayNeighbour | undefined;
  /** Has the kernel find out the neighbour's MAC and keep it fresh. Fails silently. */
  ask(ifindex: number, address: string): void;
  /** The neighbour is not needed any more. */
  release(ifindex: number, address: string): void;
}

/** A target whose paths are others than before. */
export interface UnderlayChange {
  readonly target: UnderlayTarget;
  readonly paths: readonly UnderlayPath[];
}

interface Tracked {
  readonly target: UnderlayTarget;
  readonly remote: IpAddress;
  /** How many times it is tracked. */
  count: number;
  route: UnderlayRoute;
  paths: readonly UnderlayPath[];
}

const noRoute: UnderlayRoute = { ways: [], usesNexthopObject: false };

export class Resolver {
  readonly #kernel: KernelView;
  readonly #targets = new Map<string, Tracked>();
  readonly #links = new UsedFacts<number, UnderlayLink>();
  readonly #neighbours = new UsedFacts<string, UnderlayNeighbour>();
  /** Neighbours that were asked for and did not answer yet. */
  readonly #asked = new Set<string>();
  /** Targets whose routes are to be read again. */
  readonly #stale = new Set<string>();
  /** Targets whose links or neighbours changed, which needs no look-up. */
  readonly #touched = new Set<string>();
  /** By family: `::/0` would hold the mapped form of IPv4 addresses. */
  /** Those of each family in a VRF of its number. */
  #changedPrefixes = new PackedPrefixes();

  constructor(kernel: KernelView) {
    this.#kernel = kernel;
  }

  /** Whether {@link flush} has something to do. */
  get pending(): boolean {
    return this.#stale.size > 0 || this.#touched.size > 0 || this.#changedPrefixes.length > 0;
  }

  /** Whether neighbours are missing, so that {@link askAgain} has something to do. */
  get waiting(): boolean {
    return this.#asked.size > 0;
  }

  /** Begins to follow a target and gives its paths of now. Each call needs an {@link untrack} of its own. */
  track(target: UnderlayTarget): readonly UnderlayPath[] {
    const key = keyOf(target);
    const known = this.#targets.get(key);
    if (known !== undefined) {
      known.count++;
      return known.paths;
    }
    const remote = parseAddress(target.remote);
    if (remote === undefined) {
      throw new WeirError({ code: "EINVAL", operation: `follow "${target.remote}"`, reason: "it is no IP address" });
    }
    const tracked: Tracked = { target, remote, count: 1, route: noRoute, paths: [] };
    this.#targets.set(key, tracked);
    this.#lookUp(key, tracked);
    tracked.paths = this.#compose(tracked);
    return tracked.paths;
  }

  /** Ends what {@link track} began. */
  untrack(target: UnderlayTarget): void {
    const key = keyOf(target);
    const tracked = this.#targets.get(key);
    if (tracked === undefined || --tracked.count > 0) return;
    this.#targets.delete(key);
    this.#stale.delete(key);
    this.#touched.delete(key);
    this.#leave(key, tracked.route.ways);
  }

  /** The paths of a target that is tracked; none for others. */
  paths(target: UnderlayTarget): readonly UnderlayPath[] {
    return this.#targets.get(keyOf(target))?.paths ?? [];
  }

  /** The first way to a target whose neighbour has yet to answer; none where the target has paths. */
  awaited(target: UnderlayTarget): UnderlayWait | undefined {
    const tracked = this.#targets.get(keyOf(target));
    if (tracked === undefined || tracked.paths.length > 0) return undefined;
    const { ways } = tracked.route;
    return ways.find(({ ifindex, dead }) => !dead && isUsable(this.#links.get(ifindex)));
  }

  /** A link was changed; `undefined`: it is gone. */
  linkChanged(ifindex: number, link: UnderlayLink | undefined): void {
    const before = this.#links.get(ifindex);
    if (!this.#links.has(ifindex) || sameLink(before, link)) return;
    const matters = isUsable(before) || isUsable(link);
    // IPv4 routes vanish with a link that goes down, and no event tells of it.
    for (const user of this.#links.set(ifindex, link)) {
      if (matters) this.#touched.add(user);
      this.#stale.add(user);
      if (isUsable(link)) revive(this.#targets.get(user), ifindex);
    }
    // Asked before, on a link that could not carry the question.
    for (const key of this.#asked) if (key.startsWith(`${ifindex} `)) this.#asked.delete(key);
  }

  /** A neighbour was changed; `undefined`: its entry is gone. */
  neighbourChanged(ifindex: number, address: string, neighbour: UnderlayNeighbour | undefined): void {
    const key = neighbourKey(ifindex, address);
    const before = this.#neighbours.get(key);
    for (const user of this.#neighbours.set(key, neighbour)) this.#touched.add(user);
    if (isSettled(neighbour)) this.#asked.delete(key);
    // An entry that vanished is asked for anew at once; one that fails, at the next `askAgain`.
    else if (isSettled(before) && neighbour === undefined) this.#asked.delete(key);
  }

  /** A route to `prefix` was added, changed or deleted. */
  routeChanged(prefix: string): void {
    const parsed = parsePrefix(prefix);
    if (parsed !== undefined) this.#changedPrefixes.pushText(parsed.family, prefix);
  }

  /** A nexthop object was changed. */
  nexthopChanged(): void {
    for (const [key, { route }] of this.#targets) if (route.usesNexthopObject) this.#stale.add(key);
  }

  /** A link was given an address, from which the kernel may choose the source of packets. */
  addressAdded(ifindex: number): void {
    for (const user of this.#links.users(ifindex)) this.#stale.add(user);
  }

  /** Something changed that may concern every route: a rule; an address, with which IPv4 routes vanish silently. */
  allRoutesChanged(): void {
    for (const key of this.#targets.keys()) this.#stale.add(key);
  }

  /** Changes were lost: everything that is kept is read again. */
  resynchronise(): void {
    for (const ifindex of [...this.#links.keys()]) this.linkChanged(ifindex, this.#kernel.link(ifindex));
    for (const key of [...this.#neighbours.keys()]) {
      const [ifindex, address] = neighbourOf(key);
      this.neighbourChanged(ifindex, address, this.#kernel.neighbour(ifindex, address));
    }
    this.allRoutesChanged();
  }

  /**
   * Brings paths up to date and calls `emit` for each target whose paths changed. What needs no look-up comes
   * first: the loss of a link is known at once, however many targets use it.
   * @param more asked between look-ups whether to go on; what is left stays pending
   */
  flush(emit: (change: UnderlayChange) => void, more: () => boolean = () => true): void {
    const touched = [...this.#touched];
    this.#touched.clear();
    for (const key of touched) this.#update(key, emit);
    this.#applyPrefixes();
    if (this.#stale.size > 0) this.#kernel.settle();
    for (const key of this.#stale) {
      this.#stale.delete(key);
      const tracked = this.#targets.get(key);
      if (tracked !== undefined) this.#lookUp(key, tracked);
      this.#update(key, emit);
      if (!more()) return;
    }
  }

  /** Asks once more for all neighbours that are missing. */
  askAgain(): void {
    for (const key of this.#asked) {
      const [ifindex, address] = neighbourOf(key);
      this.#kernel.ask(ifindex, address);
    }
  }

  #applyPrefixes(): void {
    if (this.#changedPrefixes.length === 0) return;
    const changed = new CoveringPrefixes(this.#changedPrefixes);
    this.#changedPrefixes = new PackedPrefixes();
    for (const [key, { target, remote }] of this.#targets) {
      if (target.ifindex === undefined && changed.holds(remote.family, remote.bytes)) this.#stale.add(key);
    }
  }

  #update(key: string, emit: (change: UnderlayChange) => void): void {
    const tracked = this.#targets.get(key);
    if (tracked === undefined) return;
    const paths = this.#compose(tracked);
    if (samePaths(paths, tracked.paths)) return;
    tracked.paths = paths;
    emit({ target: tracked.target, paths });
  }

  #lookUp(key: string, tracked: Tracked): void {
    const before = tracked.route.ways;
    tracked.route = this.#kernel.route(tracked.target);
    const { ways } = tracked.route;
    // First the new, then the old: what both use is not read again, nor released.
    for (const { ifindex, gateway } of ways) {
      this.#links.use(ifindex, key, () => this.#kernel.link(ifindex));
      this.#neighbours.use(neighbourKey(ifindex, gateway), key, () => this.#kernel.neighbour(ifindex, gateway));
    }
    const links = new Set(ways.map(({ ifindex }) => ifindex));
    const neighbours = new Set(ways.map(({ ifindex, gateway }) => neighbourKey(ifindex, gateway)));
    this.#leave(
      key,
      before.filter(({ ifindex, gateway }) => !neighbours.has(neighbourKey(ifindex, gateway))),
      links,
    );
  }

  #leave(user: string, ways: readonly UnderlayWay[], keptLinks: ReadonlySet<number> = new Set()): void {
    for (const { ifindex, gateway } of ways) {
      if (!keptLinks.has(ifindex)) this.#links.leave(ifindex, user);
      const key = neighbourKey(ifindex, gateway);
      if (!this.#neighbours.leave(key, user)) continue;
      this.#asked.delete(key);
      this.#kernel.release(ifindex, gateway);
    }
  }

  #compose({ route }: Tracked): readonly UnderlayPath[] {
    return route.ways.flatMap((way) => {
      const link = this.#links.get(way.ifindex);
      if (way.dead || !isUsable(link)) return [];
      const key = neighbourKey(way.ifindex, way.gateway);
      const neighbour = this.#neighbours.get(key);
      if (!isSettled(neighbour) && !this.#asked.has(key)) {
        this.#asked.add(key);
        this.#kernel.ask(way.ifindex, way.gateway);
      }
      if (neighbour?.mac === undefined) return [];
      return [
        {
          ifindex: way.ifindex,
          gateway: way.gateway,
          destinationMac: neighbour.mac,
          sourceMac: link.mac,
          sourceAddress: way.sourceAddress,
          mtu: Math.min(link.mtu, way.mtu ?? link.mtu),
          weight: way.weight,
        },
      ];
    });
  }
}

function isUsable(link: UnderlayLink | undefined): link is UnderlayLink & { readonly mac: string } {
  return link?.mac !== undefined && link.up && link.running;
}

/** The kernel uses the ways again that it gave up with their link. That is taken for granted until they are looked up. */
function revive(tracked: Tracked | undefined, ifindex: number): void {
  const lost = (way: UnderlayWay) => way.dead && way.ifindex === ifindex;
  if (tracked === undefined || !tracked.route.ways.some(lost)) return;
  const ways = tracked.route.ways.map((way) => (lost(way) ? { ...way, dead: false } : way));
  tracked.route = { ...tracked.route, ways };
}

function isSettled(neighbour: UnderlayNeighbour | undefined): boolean {
  return neighbour?.mac !== undefined && neighbour.kept;
}

function keyOf({ remote, source, ifindex }: UnderlayTarget): string {
  return `${remote} ${source ?? ""} ${ifindex ?? ""}`;
}

function neighbourKey(ifindex: number, address: string): string {
  return `${ifindex} ${address}`;
}

function neighbourOf(key: string): [ifindex: number, address: string] {
  const space = key.indexOf(" ");
  return [Number(key.slice(0, space)), key.slice(space + 1)];
}

function sameLink(a: UnderlayLink | undefined, b: UnderlayLink | undefined): boolean {
  return a?.up === b?.up && a?.running === b?.running && a?.mac === b?.mac && a?.mtu === b?.mtu;
}
