// SPDX-License-Identifier: Apache-2.0
import { CLOSED, integer, prefix, reference } from "./common.ts";
import { encapFields } from "./encap.ts";
import { type Static, Type } from "./typebox.ts";

export const RouteSchema = Type.Object(
  {
    vrf: reference("VRF that it is in."),
    prefix: prefix("Destinations; key together with `vrf`. No bits behind the length."),
    via: reference("Name of a next hop or interface, or `discard` or `local`."),
    ...encapFields,
    preference: Type.Optional(
      integer(
        1,
        255,
        "The lowest wins where several owners have the same route. Default: 10 for the owner `state`, 20 for others.",
      ),
    ),
  },
  { ...CLOSED, description: "Destinations of a VRF and their next hop." },
);

/** Destinations of a VRF and their next hop. */
export type Route = Static<typeof RouteSchema>;
