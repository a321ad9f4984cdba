// SPDX-License-Identifier: Apache-2.0
import { vrfOf } from "../check/check_interfaces.ts";
import type { Interface, Route } from "../schema/index.ts";

/** The host routes that a workload interface brings by itself: one for each of its addresses. */
export function interfaceRoutes(object: Interface): Route[] {
  const vrf = vrfOf(object);
  return (object.addresses ?? []).map((address) => ({
    vrf,
    prefix: `${address}/${address.includes(":") ? 128 : 32}`,
    via: object.name,
  }));
}
