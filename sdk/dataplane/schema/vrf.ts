// SPDX-License-Identifier: Apache-2.0
import { CLOSED, name, oneOf } from "./common.ts";
import { KernelRoutesSchema } from "./kernel_routes.ts";
import { type Static, Type } from "./typebox.ts";

export const VrfSchema = Type.Object(
  {
    name: name("Key."),
    unknownUnicast: Type.Optional(
      oneOf(
        ["drop", "flood"],
        "A bridged frame to a MAC that the VRF does not know. drop: a counted drop. flood: as the entry of ff:ff:ff:ff:ff:ff says.",
        "drop",
      ),
    ),
    kernelRoutes: Type.Optional(KernelRoutesSchema),
  },
  { ...CLOSED, description: "An isolated routing table and bridge domain." },
);

/** An isolated routing table and bridge domain. */
export type Vrf = Static<typeof VrfSchema>;
