// SPDX-License-Identifier: Apache-2.0
import type { Family } from "../../address.ts";
import { interfaceCodec, NEXTHOP_FLAG_DOWN, NexthopTypeValue, nexthopCodec, routeCodec } from "../../layout/index.ts";
import type { FlowLookup, RouteTarget } from "../flows/decider.ts";
import { tagOf } from "../kernel/label_tag.ts";
import type { MemberTable } from "../kernel/member_table.ts";
import type { NexthopTable } from "../kernel/nexthop_table.ts";
import { ROUTE_SIZE, routeKeySize, writeRouteKey } from "../kernel/records.ts";
import type { StructArray } from "../kernel/struct_array.ts";
import type { Maps } from "../kernel/tables.ts";
import type { Ids } from "../state/ids.ts";

/** vrf and ecmp next hops on the way (bpf/resolve.h). */
const MAX_RESOLUTIONS = 4;

/** The kernel's tables that say where packets go. */
export interface RoutingTables {
  readonly maps: Pick<Maps, "routes4" | "routes6">;
  readonly nexthops: NexthopTable;
  readonly members: MemberTable;
  readonly interfaces: StructArray;
}

/** Looks routes and next hops up in the kernel's tables, as the programs do. */
export class RouteLookup implements FlowLookup {
  readonly #tables: RoutingTables;
  readonly #ids: Ids;

  constructor(tables: RoutingTables, ids: Ids) {
    this.#tables = tables;
    this.#ids = ids;
  }

  interfaceId(name: string): number | undefined {
    return this.#ids.interface.get(name);
  }

  nexthopId(name: string): number | undefined {
    return this.#ids.nexthop.get(name);
  }

  vrfId(name: string): number | undefined {
    return this.#ids.vrf.get(name);
  }

  mirrorId(name: string): number | undefined {
    return this.#ids.mirror.get(name);
  }

  route(family: Family, vrf: number, address: Uint8Array, hash: number): RouteTarget {
    return this.#resolve(family, this.#lookUp(family, vrf, address), address, hash);
  }

  through(nexthop: number, family: Family, vrf: number, address: Uint8Array, hash: number): RouteTarget {
    // A next hop by name has no label of its own.
    return this.#resolve(family, { nexthop, tag: 0, vrf }, address, hash);
  }

  #resolve(family: Family, first: RouteTarget, address: Uint8Array, hash: number): RouteTarget {
    let target = first;
    for (let i = 0; i < MAX_RESOLUTIONS; i++) {
      const next = this.#follow(family, target, address, hash);
      if (next === undefined) return { ...target, vrf: this.#answerVrf(target) };
      target = next;
    }
    return { ...target, nexthop: 0 };
  }

  #lookUp(family: Family, vrf: number, address: Uint8Array): RouteTarget {
    const key = new Uint8Array(routeKeySize(family));
    const length = family === 4 ? 32 : 128;
    writeRouteKey(new DataView(key.buffer), key, 0, vrf, { family, bytes: address, length });
    const value = new Uint8Array(ROUTE_SIZE);
    const map = family === 4 ? this.#tables.maps.routes4 : this.#tables.maps.routes6;
    if (!map.lookup(key, value)) return { nexthop: 0, tag: 0, vrf };
    const view = new DataView(value.buffer);
    const tag = tagOf(routeCodec.label.get(view, 0), routeCodec.flags.get(view, 0));
    return { nexthop: routeCodec.nexthop.get(view, 0), tag, vrf };
  }

  /** What a vrf or ecmp next hop leads to; `undefined` for the others. */
  #follow(family: Family, target: RouteTarget, address: Uint8Array, hash: number): RouteTarget | undefined {
    const { nexthops, members } = this.#tables;
    const base = nexthops.at(target.nexthop);
    const type = nexthopCodec.type.get(nexthops.view, base);
    if (type === NexthopTypeValue.vrf) return this.#lookUp(family, nexthopCodec.vrf.get(nexthops.view, base), address);
    if (type !== NexthopTypeValue.ecmp) return undefined;
    const member = members.choose(nexthops.membersOf(target.nexthop), hash, (id) => this.#isAlive(id));
    return { nexthop: member?.nexthop ?? 0, tag: member?.tag || target.tag, vrf: target.vrf };
  }

  #isAlive(nexthop: number): boolean {
    const { nexthops } = this.#tables;
    return (nexthopCodec.flags.get(nexthops.view, nexthops.at(nexthop)) & NEXTHOP_FLAG_DOWN) === 0;
  }

  /** Answers come out of the interface that the next hop leads to, else into the VRF of the route. */
  #answerVrf({ nexthop, vrf }: RouteTarget): number {
    const { interfaces } = this.#tables;
    const id = this.interfaceOf(nexthop);
    return id === 0 ? vrf : interfaceCodec.vrf.get(interfaces.view, interfaces.at(id));
  }

  interfaceOf(nexthop: number): number {
    const { nexthops } = this.#tables;
    return nexthop === 0 ? 0 : nexthopCodec.interface.get(nexthops.view, nexthops.at(nexthop));
  }
}
