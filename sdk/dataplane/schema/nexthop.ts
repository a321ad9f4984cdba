// SPDX-License-Identifier: Apache-2.0
import { address, CLOSED, name, oneOf, reference } from "./common.ts";
import { type Static, Type } from "./typebox.ts";

/** Names that `via` may use without an object behind them. */
export const RESERVED_NEXTHOPS = ["discard", "local"] as const;

export const NexthopSchema = Type.Object(
  {
    name: name("Key. Shares its name space with the interfaces."),
    type: oneOf(
      ["interface", "local", "discard"],
      "interface: out of an interface, to `gateway`. local: to the host's stack. discard: a counted drop.",
    ),
    device: Type.Optional(reference("Interface that it leads out of. Needed for type interface.")),
    gateway: Type.Optional(
      address("Neighbour behind the interface whose MAC the frames get. Default: the interface's workload."),
    ),
  },
  { ...CLOSED, description: "Where packets of a route go." },
);

/** Where packets of a route go. */
export type Nexthop = Static<typeof NexthopSchema>;
