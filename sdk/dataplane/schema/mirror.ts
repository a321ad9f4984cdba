// SPDX-License-Identifier: Apache-2.0
import { CLOSED, integer, name, oneOf, reference } from "./common.ts";
import { encapFields } from "./encap.ts";
import { type Static, Type } from "./typebox.ts";

const source = Type.Object(
  {
    interface: reference("Name of an interface."),
    direction: Type.Optional(
      oneOf(
        ["ingress", "egress", "both"],
        "Of the workload, as in policies. ingress: what goes out of the interface, as it is sent. egress: what it receives, as it came.",
        "both",
      ),
    ),
  },
  { ...CLOSED, description: "Packets that are copied.", expects: "{ interface, direction }" },
);

export const MirrorSchema = Type.Object(
  {
    name: name("Key."),
    source: Type.Optional(
      Type.Unsafe<Static<typeof source>>({
        ...source,
        description: "Interface whose packets are copied. Absent: only those of rules and flows that name the mirror.",
      }),
    ),
    via: reference(
      "Where copies go. Name of an interface: out of its device, as they are. Of a next hop of type interface: likewise. Of a tunnel: as Ethernet frames in it. Of an ecmp: to one of its members by flow.",
    ),
    ...encapFields,
    truncateBytes: Type.Optional(
      integer(64, 65_535, "Bytes of each frame, from the Ethernet header on, that are copied at most. Default: all."),
    ),
  },
  { ...CLOSED, description: "Copies of packets, to a device or through a tunnel. A copy is never copied again." },
);

/** Copies of packets, to a device or through a tunnel. */
export type Mirror = Static<typeof MirrorSchema>;
