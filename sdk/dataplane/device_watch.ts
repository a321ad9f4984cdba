// SPDX-License-Identifier: Apache-2.0
/** Follows devices and neighbours while the process runs. */
import type { Netlink, WatchEvent } from "../netlink/index.ts";
import { deviceName } from "./devices.ts";
import type { EventHub } from "./events.ts";
import type { LiveInterface } from "./live.ts";
import type { Neighbours } from "./neighbours.ts";

/** Changes of a device come in groups: one reaction to all of them. */
const SETTLE_MS = 20;

/** What the watch works with. */
export interface DeviceWatchOptions {
  readonly netlink: Netlink;
  readonly live: ReadonlyMap<string, LiveInterface>;
  readonly neighbours: Neighbours;
  readonly events: EventHub;
  /** Writes interfaces and next hops anew. */
  readonly refresh: (interfaces: readonly string[], nexthops: readonly string[]) => void;
}

/** Listens to the kernel and has what changed written anew. */
export class DeviceWatch implements Disposable {
  readonly #o: DeviceWatchOptions;
  readonly #watch: Disposable;
  readonly #interfaces = new Set<string>();
  readonly #nexthops = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(o: DeviceWatchOptions) {
    this.#o = o;
    this.#watch = o.netlink.watch(["link", "neighbour"], (event) => this.#handle(event));
  }

  #handle(event: WatchEvent): void {
    const { live, neighbours, events } = this.#o;
    if (event.kind === "link") {
      events.emit({ kind: "link", change: event.change, link: event.link });
      for (const [name, { object, device }] of live) {
        if (device?.ifindex === event.link.index || deviceName(object) === event.link.name) this.#interfaces.add(name);
      }
    } else if (event.kind === "neighbour") {
      events.emit({ kind: "neigh", change: event.change, neighbour: event.neighbour });
      for (const name of neighbours.users(event.neighbour)) this.#nexthops.add(name);
    } else if (event.kind === "resynchronise") {
      for (const name of live.keys()) this.#interfaces.add(name);
    }
    if (this.#interfaces.size + this.#nexthops.size > 0) this.#timer ??= setTimeout(() => this.#settle(), SETTLE_MS);
  }

  #settle(): void {
    this.#timer = undefined;
    const interfaces = [...this.#interfaces];
    const nexthops = [...this.#nexthops];
    this.#interfaces.clear();
    this.#nexthops.clear();
    this.#o.refresh(interfaces, nexthops);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#watch[Symbol.dispose]();
  }
}
