// SPDX-License-Identifier: Apache-2.0
import { vrfOf } from "../check/check_interfaces.ts";
import { addressesOf } from "../host/host_object.ts";
import type { Interface, Route } from "../schema/index.ts";

/**
 * The host routes that an interface brings by itself: one for each of its addresses.
 * @param underlay the node's.
 */
export function interfaceRoutes(object: Interface, underlay: string | undefined): Route[] {
  const vrf = vrfOf(object);
  return addressesOf(object, underlay).map((address) => ({
    vrf,
    prefix: `${address}/${address.includes(":") ? 128 : 32}`,
    via: object.name,
  }));
}
