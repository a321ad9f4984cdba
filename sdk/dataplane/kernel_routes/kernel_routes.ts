// SPDX-License-Identifier: Apache-2.0
/** Has VRFs follow tables of the kernel's, and tables of the kernel's tell of VRFs' own prefixes. */
import type { Family } from "../../address.ts";
import type { Netlink, WatchEvent } from "../../netlink/index.ts";
import { deviceName } from "../device/devices.ts";
import type { LiveInterfaces } from "../device/live_interfaces.ts";
import type { Interface, Kind, Vrf } from "../schema/index.ts";
import { type DesiredState, type StateChanges, sameValue } from "../state/desired.ts";
import { type CommitDerived, DerivedRoutes } from "./derived_routes.ts";
import { Exporter } from "./exporter.ts";
import { KernelLinks } from "./kernel_links.ts";
import { type KernelWay, KernelWays } from "./kernel_way.ts";
import { type KernelRoutesStatus, MirroredVrf } from "./mirrored_vrf.ts";
import { OwnPrefixes } from "./own_prefixes.ts";
import { Relisting } from "./relisting.ts";
import type { Surroundings } from "./target.ts";
import { underlayFamily, withdrawDerived } from "./withdraw.ts";

/** Time in which changes are gathered: a daemon that replaces a route takes it away first. */
const GATHER_MS = 5;

/** The kernel does not tell of all that an address takes along; and addresses go in groups. */
const RELIST_MS = 100;

/** Listings one after the other leave other work this many times their own time. */
const RELIST_SHARE = 10;

/** Room for the events of about 50 000 changed routes. */
const BUFFER_BYTES = 64 * 1024 * 1024;

/** Ways that nobody uses may wait to be used again. */
const SPARE_WAYS = 4096;

/** What kernel routes work with. */
export interface KernelRoutesParts {
  readonly netlink: Netlink;
  readonly state: DesiredState;
  readonly live: LiveInterfaces;
  /** Routes of a family that the kernel's map has room for. */
  readonly room: (family: Family) => number;
  readonly onFailure: (reason: string) => void;
}

/** Follows the tables of all VRFs that have `kernelRoutes`. */
export class KernelRoutes implements Disposable {
  readonly #parts: KernelRoutesParts;
  readonly #vrfs = new Map<string, MirroredVrf>();
  readonly #links = new KernelLinks();
  readonly #ways = new KernelWays();
  readonly #around: Surroundings;
  readonly #own: OwnPrefixes;
  readonly #derived: DerivedRoutes;
  #watch: Disposable | undefined;
  #flushTimer: ReturnType<typeof setTimeout> | undefined;
  #relistTimer: ReturnType<typeof setTimeout> | undefined;
  #reconsider = false;
  /** Time that the last listing took. */
  #relistMs = 0;
  #relisting: Relisting | undefined;
  /** Something that the listing at hand may not show happened after it began. */
  #relistAgain = false;

  constructor(parts: KernelRoutesParts) {
    this.#parts = parts;
    this.#around = {
      get underlayFamily() {
        return underlayFamily(parts.state);
      },
      sourceTo: (address) => sourceTo(parts.netlink, address),
      interfaceOn: (ifindex) => this.#interfaceOn(ifindex),
      routerMac: (ifindex, gateway) =>
        // On an interface of Weir's own it is a neighbour in the underlay.
        this.#interfaceOn(ifindex) === undefined ? this.#links.routerMac(ifindex, gateway) : undefined,
      nexthop: (id) => this.#links.nexthop(id),
    };
    this.#derived = new DerivedRoutes(parts.state, this.#vrfs, parts.room);
    this.#own = new OwnPrefixes(parts.state, parts.live, this.#links);
  }

  /** Puts the kernel's routes into a state that was read from the store, before it is brought into the kernel's maps. */
  resume(): void {
    for (const vrf of this.#parts.state.objects("vrfs")) this.#follow(vrf);
    if (this.#vrfs.size > 0) this.#derived.resume();
  }

  /** From now on changes are brought in by `commit`. */
  start(commit: CommitDerived): void {
    this.#derived.commit = commit;
    this.#flush();
  }

  /**
   * Takes out of a state in which something else was changed what the kernel's routes can no longer have. They come
   * back, where they can, after the change.
   */
  withdraw(): void {
    if (this.#vrfs.size > 0) withdrawDerived(this.#parts.state, this.#vrfs);
  }

  /**
   * Takes note of changes of the state, whoever made them.
   * @returns follows them; to be called when they are kept and the kernel has them
   */
  following(changes: StateChanges): () => void {
    const own = this.#own.concerned(changes);
    if (this.#derived.isBringing) return own;
    const kinds = new Set(changes.objects.map(({ kind }) => kind));
    return () => this.#changed(kinds, own);
  }

  #changed(kinds: ReadonlySet<Kind>, own: () => void): void {
    const { state } = this.#parts;
    if (kinds.has("vrfs")) {
      for (const name of [...this.#vrfs.keys()]) this.#unfollow(name, state.get("vrfs", name));
      for (const vrf of state.objects("vrfs")) this.#follow(vrf);
      if (this.#vrfs.size === 0) this.#leave();
    }
    if (this.#vrfs.size === 0) return;
    if (kinds.has("vrfs") || kinds.has("interfaces") || kinds.has("node")) this.#reconsider = true;
    if (kinds.has("interfaces")) for (const { exporter } of this.#vrfs.values()) exporter?.reconsider();
    own();
    this.#derived.retryRefused();
    this.#flush();
  }

  /** Devices of interfaces changed. */
  devicesChanged(): void {
    if (this.#vrfs.size === 0) return;
    this.#reconsider = true;
    for (const vrf of this.#vrfs.values()) vrf.exporter?.reconsider();
    this.#schedule();
  }

  /** What became of a VRF's table; `undefined` for a VRF without one. */
  status(vrf: string): KernelRoutesStatus | undefined {
    const status = this.#vrfs.get(vrf)?.status;
    if (status === undefined || this.#relisting === undefined) return status;
    // What differs shows at the end of the listing.
    return { ...status, pending: status.pending + 1 };
  }

  #follow({ name, kernelRoutes: config }: Vrf): void {
    if (config === undefined || this.#vrfs.has(name)) return;
    const { netlink } = this.#parts;
    if (this.#watch === undefined) {
      this.#watch = netlink.watch(
        ["link", "address", "neighbour", "nexthop", "route"],
        (event) => this.#handle(event),
        {
          bufferBytes: BUFFER_BYTES,
        },
      );
      this.#links.relist(netlink);
    }
    const exporter =
      config.export === true ? new Exporter(config.table, netlink, (via) => this.#own.devicesOf(via)) : undefined;
    const vrf = new MirroredVrf(name, config, this.#ways, this.#around, exporter);
    this.#vrfs.set(name, vrf);
    this.#relist(vrf);
    if (exporter !== undefined) this.#own.add(name, exporter);
  }

  /** Ends following a table that the VRF has no more, or has in another way: `withdraw` took its routes along. */
  #unfollow(name: string, is: Vrf | undefined): void {
    const vrf = this.#vrfs.get(name);
    if (vrf === undefined || sameValue(is?.kernelRoutes, vrf.config)) return;
    this.#vrfs.delete(name);
    this.#own.delete(name);
    this.#derived.vrfLeft();
    const goesOn = is?.kernelRoutes?.export === true && is.kernelRoutes.table === vrf.config.table;
    if (!goesOn) this.#attempt(() => vrf.exporter?.withdraw());
  }

  #relist(vrf: MirroredVrf): void {
    const { netlink } = this.#parts;
    const { table } = vrf.config;
    vrf.table.relist((family, begin) => netlink.visitRoutes({ table, family }, begin));
    vrf.exporter?.relist();
  }

  #handle(event: WatchEvent): void {
    switch (event.kind) {
      case "route":
        this.#routeChanged(event);
        break;
      case "link":
        if (this.#links.linkChanged(event)) this.#linkDown(event.link.index);
        this.#reconsider = true;
        for (const { exporter } of this.#vrfs.values()) exporter?.reconsider();
        this.#schedule();
        break;
      case "nexthop":
        this.#links.nexthopChanged(event);
        if (event.change === "delete") this.#removeLost();
        this.#reconsider = true;
        this.#schedule();
        break;
      case "neighbour":
        if (!this.#links.neighbourChanged(event)) break;
        this.#reconsider = true;
        this.#schedule();
        break;
      case "address":
        if (event.change === "delete" && event.address.family === 4) this.#relistSoon();
        break;
      case "resynchronise":
        this.#relistAll();
        break;
    }
  }

  #routeChanged(event: Extract<WatchEvent, { kind: "route" }>): void {
    this.#relisting?.note(event);
    for (const { table, exporter } of this.#vrfs.values()) {
      if (event.route.table !== table.table) continue;
      exporter?.changed(event.change, event.route);
      if (event.change === "new") table.added(event.route, event.mode);
      // A copy that differs from the kernel's table is made anew.
      else if (!table.removed(event.route)) this.#relistSoon();
      this.#schedule();
    }
  }

  #linkDown(ifindex: number): void {
    this.#removeLost();
    for (const { exporter } of this.#vrfs.values()) exporter?.deviceDown(ifindex);
  }

  #removeLost(): void {
    for (const { table } of this.#vrfs.values()) {
      if ([...table.ways.keys()].some((way) => this.#links.isLost(way))) {
        table.removeWays((way) => this.#links.isLost(way));
      }
    }
  }

  #relistSoon(): void {
    this.#relistTimer ??= setTimeout(() => this.#relistAll(), Math.max(RELIST_MS, RELIST_SHARE * this.#relistMs));
  }

  #relistAll(): void {
    clearTimeout(this.#relistTimer);
    this.#relistTimer = undefined;
    if (this.#relisting !== undefined) {
      this.#relistAgain = true;
      return;
    }
    const { netlink } = this.#parts;
    this.#attempt(() => this.#links.relist(netlink));
    this.#relisting = new Relisting({
      netlink,
      vrfs: this.#vrfs,
      onProgress: () => this.#schedule(),
      onDone: (busyMs) => this.#relisted(busyMs),
      onFailure: (error) => this.#report([error], "read the kernel's routes anew"),
    });
  }

  #relisted(busyMs: number): void {
    this.#relisting = undefined;
    this.#relistMs = busyMs;
    this.#removeLost();
    this.#reconsider = true;
    this.#schedule();
    if (this.#relistAgain) this.#relistSoon();
    this.#relistAgain = false;
  }

  #schedule(delayMs = GATHER_MS): void {
    if (this.#vrfs.size > 0) this.#flushTimer ??= setTimeout(() => this.#flush(), delayMs);
  }

  /** Brings what changed into the VRFs and into the kernel's tables. */
  #flush(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    this.#attempt(() => {
      if (this.#reconsider) for (const vrf of this.#vrfs.values()) vrf.reconsider();
      this.#reconsider = false;
      const { failures, isDone } = this.#derived.bring();
      this.#report(failures, "mirror routes of the kernel");
      if (!isDone) this.#schedule(0);
      for (const { exporter } of this.#vrfs.values()) {
        if (exporter?.pending === true) this.#report(exporter.flush(), `write into kernel table ${exporter.table}`);
      }
    });
    this.#forgetWays();
  }

  #report(errors: readonly unknown[], operation: string): void {
    const [first] = errors;
    if (first === undefined) return;
    const reason = first instanceof Error ? first.message : String(first);
    const more = errors.length === 1 ? "" : ` (and ${errors.length - 1} more)`;
    this.#parts.onFailure(`Cannot ${operation}: ${reason}${more}`);
  }

  #attempt(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#report([error], "follow the kernel's routes");
    }
  }

  #forgetWays(): void {
    // A listing has some that nobody else knows.
    if (this.#relisting !== undefined) return;
    let active = 0;
    for (const { table } of this.#vrfs.values()) active += table.ways.size;
    if (this.#ways.size < SPARE_WAYS + 2 * active) return;
    const used = new Set<KernelWay>();
    for (const { table } of this.#vrfs.values()) table.collectWays(used);
    this.#ways.retain((way) => used.has(way));
  }

  #interfaceOn(ifindex: number): Interface | undefined {
    const live = this.#parts.live.onDevice(ifindex)?.object;
    const name = this.#links.nameOf(ifindex);
    if (live !== undefined || name === undefined) return live;
    // While the state is resumed nothing is live yet.
    for (const object of this.#parts.state.objects("interfaces")) {
      if (object.parent === undefined && deviceName(object) === name) return object;
    }
    return undefined;
  }

  /** No VRF follows a table any more. */
  #leave(): void {
    this.#stop();
    this.#flush();
  }

  #stop(): void {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    clearTimeout(this.#flushTimer);
    clearTimeout(this.#relistTimer);
    this.#flushTimer = undefined;
    this.#relistTimer = undefined;
    this.#relisting?.[Symbol.dispose]();
    this.#relisting = undefined;
  }

  /** Takes what VRFs have exported out of the kernel's tables, before everything is removed. */
  leaveTables(): void {
    for (const { exporter } of this.#vrfs.values()) this.#attempt(() => exporter?.withdraw());
  }

  /** Ends following. What is in the kernel stays, in both tables. */
  [Symbol.dispose](): void {
    this.#stop();
    this.#vrfs.clear();
  }
}

function sourceTo(netlink: Netlink, address: string): string | undefined {
  try {
    return netlink.lookupRoute(address).preferredSource;
  } catch {
    // There is no way to it.
    return undefined;
  }
}
