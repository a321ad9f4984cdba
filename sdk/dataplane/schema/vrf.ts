// SPDX-License-Identifier: Apache-2.0
import { CLOSED, name, oneOf } from "./common.ts";
import { type Static, Type } from "./typebox.ts";

export const VrfSchema = Type.Object(
  {
    name: name("Key."),
    unknownUnicast: Type.Optional(
      oneOf(["drop"], "A bridged frame to a MAC that the VRF does not know: a counted drop.", "drop"),
    ),
  },
  { ...CLOSED, description: "An isolated routing table and bridge domain." },
);

/** An isolated routing table and bridge domain. */
export type Vrf = Static<typeof VrfSchema>;
