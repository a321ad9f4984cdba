// SPDX-License-Identifier: Apache-2.0
import { WeirError } from "../../errors.ts";
import type { InjectAs as SlowPathInjectAs } from "../../slowpath/index.ts";
import type { Names } from "../status/names.ts";

/** What an injected frame is: out of an interface as it is, received on one, or to be routed in a VRF. */
export type InjectAs = { readonly transmit: string } | { readonly receivedFrom: string } | { readonly route: string };

function missing(what: string, name: string): never {
  throw new WeirError({ code: "ENOENT", operation: "inject a frame", reason: `there is no ${what} "${name}"` });
}

/** @throws WeirError `ENOENT` for a name that is none. */
export function injection(as: InjectAs, names: Names): SlowPathInjectAs {
  if ("route" in as) return { action: "route", vrf: names.vrfId(as.route) ?? missing("VRF", as.route) };
  const name = "transmit" in as ? as.transmit : as.receivedFrom;
  const id = names.interfaceId(name) ?? missing("interface", name);
  return { action: "transmit" in as ? "transmit" : "received", interface: id };
}
