// SPDX-License-Identifier: Apache-2.0
/** Which prefix a look-up matched: the kernel's trie gives a route, and does not say of which prefix it is. */
import { type Family, formatPrefix, networkOf } from "../../address.ts";
import { routeCodec } from "../../layout/index.ts";
import { ROUTE_SIZE, routeKeySize, writeRouteKey } from "../kernel/records.ts";
import type { Maps } from "../kernel/tables.ts";
import type { DesiredState } from "../state/desired.ts";

/** An address that was looked up, and what was found. */
export interface LookedUp {
  readonly family: Family;
  /** 16 bytes, IPv4 mapped. */
  readonly address: Uint8Array;
  /** Name and number of the VRF. */
  readonly vrf: string;
  readonly vrfId: number;
  /** Number of the next hop of the route that matched. */
  readonly nexthop: number;
}

/**
 * The longest prefix of the state that holds the address, if the kernel, asked for no longer one, gives the same next
 * hop. `undefined`: the state and the kernel's table do not agree at this moment.
 */
export function matchedPrefix(state: DesiredState, maps: Maps, o: LookedUp): string | undefined {
  for (let length = o.family === 4 ? 32 : 128; length >= 0; length--) {
    const prefix = networkOf({ family: o.family, bytes: o.address, length });
    const text = formatPrefix(prefix);
    if (state.get("routes", `${o.vrf} ${text}`) === undefined) continue;
    const key = new Uint8Array(routeKeySize(o.family));
    writeRouteKey(new DataView(key.buffer), key, 0, o.vrfId, prefix);
    const value = new Uint8Array(ROUTE_SIZE);
    const map = o.family === 4 ? maps.routes4 : maps.routes6;
    const found = map.lookup(key, value) ? routeCodec.nexthop.get(new DataView(value.buffer), 0) : 0;
    return found === o.nexthop ? text : undefined;
  }
  return undefined;
}
