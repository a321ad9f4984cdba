// SPDX-License-Identifier: Apache-2.0
import { vrfOf } from "../check/check_interfaces.ts";
import { addressesOf } from "../host/host_object.ts";
import { serviceAddresses } from "../host/host_services.ts";
import type { Interface, Route } from "../schema/index.ts";

/**
 * The host routes that an interface brings by itself: one for each of its addresses and of its services'.
 * @param underlay the node's.
 */
export function interfaceRoutes(object: Interface, underlay: string | undefined): Route[] {
  const vrf = vrfOf(object);
  return [...addressesOf(object, underlay), ...serviceAddresses(object.services)].map((address) => ({
    vrf,
    prefix: `${address}/${address.includes(":") ? 128 : 32}`,
    via: object.name,
  }));
}
