// SPDX-License-Identifier: Apache-2.0
/** Bridge entries, and what incoming labels and VNIs mean. */
import { CLOSED, mac, oneOf, reference } from "./common.ts";
import { encapFields, label, vni } from "./encap.ts";
import { type Static, Type } from "./typebox.ts";

export const FdbSchema = Type.Object(
  {
    vrf: reference("VRF that it is in."),
    mac: mac("Destination MAC; key together with `vrf`. ff:ff:ff:ff:ff:ff: where broadcast goes."),
    via: reference("Name of a next hop or interface, or `discard` or `local`."),
    ...encapFields,
  },
  { ...CLOSED, description: "A MAC of a VRF's bridge domain and its next hop." },
);

export const LabelSchema = Type.Object(
  {
    label: label("MPLS label of received packets; key."),
    via: reference("Name of a next hop or interface, or `discard` or `local`."),
    payload: Type.Optional(
      oneOf(["ip", "ethernet"], "What follows the label: an IP packet, or an Ethernet frame.", "ip"),
    ),
  },
  { ...CLOSED, description: "Where packets with a label go." },
);

export const VniSchema = Type.Object(
  {
    vni: vni("VNI of received packets; key."),
    vrf: reference("VRF that they are in: what is addressed to the gateway's MAC is routed, else bridged."),
  },
  { ...CLOSED, description: "The VRF of a VNI." },
);

/** A MAC of a VRF's bridge domain and its next hop. */
export type FdbEntry = Static<typeof FdbSchema>;
/** Where packets with a label go. */
export type Label = Static<typeof LabelSchema>;
/** The VRF of a VNI. */
export type Vni = Static<typeof VniSchema>;
