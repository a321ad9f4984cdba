// SPDX-License-Identifier: Apache-2.0
/** Follows devices, their addresses and the paths over the fabric while the process runs. */
import type { LinkInfo, Netlink, WatchChange, WatchEvent } from "../../netlink/index.ts";
import type { Followed } from "../reconcile/followed.ts";
import type { Reconciler } from "../reconcile/reconciler.ts";
import { canonical, type UnderlayTarget } from "../underlay/index.ts";
import type { LiveInterfaces } from "./live_interfaces.ts";

/** Changes of a device come in groups: one reaction to all of them. */
const SETTLE_MS = 5;

/** What the watch works with. */
export interface DeviceWatchOptions {
  readonly netlink: Netlink;
  readonly live: LiveInterfaces;
  readonly followed: Followed;
  /** Devices of `gone` left the namespace, if only for a moment; those of `interfaces` changed, came or are to be looked at again. */
  readonly devicesChanged: (gone: Iterable<string>, interfaces: Iterable<string>) => void;
  /** Writes next hops anew. */
  readonly pathsChanged: (nexthops: readonly string[]) => void;
  /** Reads the node's addresses anew. */
  readonly refreshAddresses: () => void;
  /** Told at once of each link and neighbour. */
  readonly fabric: Pick<Reconciler, "linkChanged" | "neighbourChanged">;
}

/** Listens to the kernel and has what changed written anew. */
export class DeviceWatch implements Disposable {
  readonly #o: DeviceWatchOptions;
  readonly #watch: Disposable;
  readonly #gone = new Set<string>();
  readonly #interfaces = new Set<string>();
  readonly #nexthops = new Set<string>();
  #addresses = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pathTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(o: DeviceWatchOptions) {
    this.#o = o;
    this.#watch = o.netlink.watch(["link", "address", "neighbour"], (event) => this.#handle(event));
  }

  #handle(event: WatchEvent): void {
    if (event.kind === "link") {
      this.#o.fabric.linkChanged(event.link.index);
      this.#note(event.change, event.link);
    } else if (event.kind === "address") {
      this.#addresses = true;
    } else if (event.kind === "neighbour") {
      this.#o.fabric.neighbourChanged(event.neighbour.ifindex, canonical(event.neighbour.address));
    } else if (event.kind === "resynchronise") {
      for (const name of this.#o.live.keys()) this.#interfaces.add(name);
      this.#addresses = true;
    }
    const waits = this.#gone.size > 0 || this.#interfaces.size > 0 || this.#addresses;
    if (waits) this.#timer ??= setTimeout(() => this.#settle(), SETTLE_MS);
  }

  #note(change: WatchChange, { index, name, peerIndex }: LinkInfo): void {
    const { live } = this.#o;
    const owner = live.onDevice(index);
    if (owner !== undefined) (change === "delete" ? this.#gone : this.#interfaces).add(owner.object.name);
    // Its other end leaves for another namespace, or comes from there.
    const other = peerIndex === undefined ? undefined : live.onDevice(peerIndex);
    for (const found of [live.named(name), other]) if (found !== undefined) this.#interfaces.add(found.object.name);
    // Where the other end of a device is that was made anew shows only when it has got there.
    for (const refusing of live.refusing) this.#interfaces.add(refusing);
  }

  /** Other paths lead to `target`. All targets of one turn of the event loop are written together. */
  pathsMoved(target: UnderlayTarget): void {
    for (const name of this.#o.followed.users(target)) this.#nexthops.add(name);
    this.#pathTimer ??= setTimeout(() => this.#writePaths(), 0);
  }

  #writePaths(): void {
    this.#pathTimer = undefined;
    const nexthops = [...this.#nexthops];
    this.#nexthops.clear();
    this.#o.pathsChanged(nexthops);
  }

  #settle(): void {
    this.#timer = undefined;
    const [gone, interfaces] = [[...this.#gone], [...this.#interfaces]];
    this.#gone.clear();
    this.#interfaces.clear();
    if (gone.length > 0 || interfaces.length > 0) this.#o.devicesChanged(gone, interfaces);
    if (this.#addresses) this.#o.refreshAddresses();
    this.#addresses = false;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#pathTimer);
    this.#watch[Symbol.dispose]();
  }
}
