// SPDX-License-Identifier: Apache-2.0
import type { Family } from "../address.ts";
import { nexthopCodec, routeCodec } from "../layout/index.ts";
import type { FlowLookup, RouteTarget } from "./flows/decider.ts";
import type { Ids } from "./ids.ts";
import { tagOf } from "./kernel/label_tag.ts";
import { ROUTE_SIZE, routeKeySize, writeRouteKey } from "./kernel/records.ts";
import type { KernelTables } from "./kernel/tables.ts";

/** Looks routes and next hops up in the kernel's tables, as the programs do. */
export class RouteLookup implements FlowLookup {
  readonly #tables: KernelTables;
  readonly #ids: Ids;

  constructor(tables: KernelTables, ids: Ids) {
    this.#tables = tables;
    this.#ids = ids;
  }

  interfaceId(name: string): number | undefined {
    return this.#ids.interface.get(name);
  }

  nexthopId(name: string): number | undefined {
    return this.#ids.nexthop.get(name);
  }

  route(family: Family, vrf: number, address: Uint8Array): RouteTarget {
    const key = new Uint8Array(routeKeySize(family));
    const length = family === 4 ? 32 : 128;
    writeRouteKey(new DataView(key.buffer), key, 0, vrf, { family, bytes: address, length });
    const value = new Uint8Array(ROUTE_SIZE);
    const map = family === 4 ? this.#tables.maps.routes4 : this.#tables.maps.routes6;
    if (!map.lookup(key, value)) return { nexthop: 0, tag: 0 };
    const view = new DataView(value.buffer);
    const tag = tagOf(routeCodec.label.get(view, 0), routeCodec.flags.get(view, 0));
    return { nexthop: routeCodec.nexthop.get(view, 0), tag };
  }

  interfaceOf(nexthop: number): number {
    const { nexthops } = this.#tables;
    return nexthop === 0 ? 0 : nexthopCodec.interface.get(nexthops.view, nexthops.at(nexthop));
  }
}
