// SPDX-License-Identifier: Apache-2.0
import { CLOSED, flag, integer, oneOf } from "./common.ts";
import { encapFields } from "./encap.ts";
import { ENCAPS } from "./nexthop.ts";
import { type Static, Type } from "./typebox.ts";

export const KernelRoutesSchema = Type.Object(
  {
    table: integer(1, 0xffff_ffff, "Number of the kernel's routing table (`ip route show table N`)."),
    encap: Type.Optional(
      oneOf(
        ENCAPS,
        "Routes lead into tunnels of this encapsulation whose remote is the route's gateway. Default: their packets go plainly to the gateway.",
      ),
    ),
    ...encapFields,
    export: Type.Optional(
      flag("Put the prefixes of the VRF's own workloads into the table, for a routing daemon to announce.", false),
    ),
  },
  { ...CLOSED, description: "A table of the kernel's whose routes are the VRF's too.", expects: "an object" },
);

/** A table of the kernel's whose routes are the VRF's too. */
export type KernelRoutesConfig = Static<typeof KernelRoutesSchema>;
