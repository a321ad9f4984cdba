// SPDX-License-Identifier: Apache-2.0
import { address, CLOSED, integer, mac, name, oneOf, reference } from "./common.ts";
import { encapFields } from "./encap.ts";
import { type Static, Type } from "./typebox.ts";

/** Names that `via` may use without an object behind them. */
export const RESERVED_NEXTHOPS = ["discard", "local"] as const;

/** Header between the outer IP header and the inner packet. */
export const ENCAPS = ["vxlan", "mpls-udp", "mpls-gre"] as const;

/** Fields of a packet that may choose the member of an ecmp next hop. */
export const HASH_FIELDS = ["src", "dst", "proto", "sport", "dport"] as const;

const MemberSchema = Type.Object(
  {
    nexthop: reference("Name of a next hop or an interface."),
    weight: Type.Optional(integer(1, 256, "Share of the flows, against the other members'. Type ecmp only.", 1)),
    ...encapFields,
  },
  { ...CLOSED, description: "One of the next hops; its `vni` or `label` takes the place of the route's." },
);

export const NexthopSchema = Type.Object(
  {
    name: name("Key. Shares its name space with the interfaces."),
    type: oneOf(
      ["interface", "tunnel", "ecmp", "vrf", "flood", "local", "discard", "resolve", "trap"],
      "interface: out of an interface, to `gateway`. tunnel: encapsulated, to another node. ecmp: one of `members`, the same for all packets of a flow. vrf: looked up again in another VRF. flood: a copy to each of `members`. local: to the host's stack. discard: a counted drop. resolve, trap: to the controller's handlers of the traps resolve and user; without one a counted drop.",
    ),
    device: Type.Optional(reference("Interface that it leads out of. Needed for type interface.")),
    gateway: Type.Optional(
      address("Neighbour behind the interface whose MAC the frames get. Default: the interface's workload."),
    ),
    encap: Type.Optional(oneOf(ENCAPS, "Encapsulation: RFC 7348, RFC 7510, RFC 4023. Needed for type tunnel.")),
    remote: Type.Optional(address("Underlay address of the other node. Needed for type tunnel.")),
    local: Type.Optional(address("Own underlay address, source of the outer packets. Default: `node.underlay`.")),
    routerMac: Type.Optional(
      mac("Destination MAC of the inner frame of what is routed into a vxlan tunnel. Default: `node.gatewayMac`."),
    ),
    members: Type.Optional(
      Type.Array(MemberSchema, {
        maxItems: 1024,
        description: "Next hops to choose from (type ecmp), or to copy to (type flood).",
        expects: "a list of at most 1024 members",
      }),
    ),
    hash: Type.Optional(
      Type.Array(oneOf(HASH_FIELDS, "A field of the packet."), {
        minItems: 1,
        uniqueItems: true,
        description: "Fields that choose the member of an ecmp next hop. Default: all.",
        expects: `a list of ${HASH_FIELDS.join(", ")}`,
      }),
    ),
    vrf: Type.Optional(reference("VRF to look up in again. Needed for type vrf.")),
  },
  { ...CLOSED, description: "Where packets of a route go." },
);

/** Where packets of a route go. */
export type Nexthop = Static<typeof NexthopSchema>;
/** A member of an ecmp or flood next hop. */
export type NexthopMember = Static<typeof MemberSchema>;
/** Encapsulation of a tunnel. */
export type Encap = (typeof ENCAPS)[number];
/** A field that chooses the member of an ecmp next hop. */
export type HashField = (typeof HASH_FIELDS)[number];
