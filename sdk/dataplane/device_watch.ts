// SPDX-License-Identifier: Apache-2.0
/** Follows devices, their addresses and the paths over the fabric while the process runs. */
import type { Netlink, WatchEvent } from "../netlink/index.ts";
import { deviceName } from "./devices.ts";
import type { EventHub } from "./events.ts";
import type { LiveInterface } from "./live.ts";
import type { Followed } from "./reconcile/followed.ts";
import type { Reconciler } from "./reconcile/reconciler.ts";
import { canonical, type UnderlayTarget } from "./underlay/index.ts";

/** Changes of a device come in groups: one reaction to all of them. */
const SETTLE_MS = 20;

/** What the watch works with. */
export interface DeviceWatchOptions {
  readonly netlink: Netlink;
  readonly live: ReadonlyMap<string, LiveInterface>;
  readonly followed: Followed;
  readonly events: EventHub;
  /** Writes interfaces and next hops anew. */
  readonly refresh: (interfaces: readonly string[], nexthops: readonly string[]) => void;
  /** Reads the node's addresses anew. */
  readonly refreshAddresses: () => void;
  /** Told at once of each link and neighbour. */
  readonly fabric: Pick<Reconciler, "linkChanged" | "neighbourChanged">;
}

/** Listens to the kernel and has what changed written anew. */
export class DeviceWatch implements Disposable {
  readonly #o: DeviceWatchOptions;
  readonly #watch: Disposable;
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
    const { live, events } = this.#o;
    if (event.kind === "link") {
      events.emit({ kind: "link", change: event.change, link: event.link });
      this.#o.fabric.linkChanged(event.link.index);
      for (const [name, { object, device }] of live) {
        if (device?.ifindex === event.link.index || deviceName(object) === event.link.name) this.#interfaces.add(name);
      }
    } else if (event.kind === "address") {
      this.#addresses = true;
    } else if (event.kind === "neighbour") {
      events.emit({ kind: "neigh", change: event.change, neighbour: event.neighbour });
      this.#o.fabric.neighbourChanged(event.neighbour.ifindex, canonical(event.neighbour.address));
    } else if (event.kind === "resynchronise") {
      for (const name of live.keys()) this.#interfaces.add(name);
      this.#addresses = true;
    }
    if (this.#interfaces.size > 0 || this.#addresses) this.#timer ??= setTimeout(() => this.#settle(), SETTLE_MS);
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
    this.#o.refresh([], nexthops);
  }

  #settle(): void {
    this.#timer = undefined;
    const interfaces = [...this.#interfaces];
    this.#interfaces.clear();
    if (interfaces.length > 0) this.#o.refresh(interfaces, []);
    if (this.#addresses) this.#o.refreshAddresses();
    this.#addresses = false;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#pathTimer);
    this.#watch[Symbol.dispose]();
  }
}
