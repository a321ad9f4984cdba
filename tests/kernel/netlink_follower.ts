// SPDX-License-Identifier: Apache-2.0
/** A controller that keeps a copy of a table by what a watch tells it. */

import type { Netlink, RouteInfo, WatchOptions } from "../../sdk/netlink/index.ts";

/** The routes of one table, followed. */
export class RouteFollower implements Disposable {
  /** Gateway or device by destination. */
  readonly routes = new Map<string, string>();
  readonly #netlink: Netlink;
  readonly #table: number;
  readonly #watch: Disposable;
  /** Times that events were lost. */
  resynchronised = 0;
  events = 0;

  constructor(netlink: Netlink, table: number, o: WatchOptions) {
    this.#netlink = netlink;
    this.#table = table;
    this.#watch = netlink.watch(
      ["route"],
      (event) => {
        if (event.kind === "resynchronise") {
          this.resynchronised++;
          this.#read();
        } else if (event.kind === "route" && event.route.table === table) {
          this.events++;
          if (event.change === "new") this.routes.set(event.route.destination, way(event.route));
          else this.routes.delete(event.route.destination);
        }
      },
      o,
    );
    this.#read();
  }

  #read(): void {
    this.routes.clear();
    for (const route of this.#netlink.routes({ table: this.#table })) this.routes.set(route.destination, way(route));
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }
}

/** The way of a route, in words that compare. */
export const way = ({ type, nextHops, priority }: RouteInfo): string =>
  `${type} ${priority} ${nextHops.map(({ gateway, weight }) => `${gateway}*${weight}`).join(" ")}`;
