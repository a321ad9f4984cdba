// SPDX-License-Identifier: Apache-2.0
/** QoS maps and policers. */
import { CLOSED, integer, name } from "./common.ts";
import { type Static, Type } from "./typebox.ts";

/** Number of the highest forwarding class. */
export const MAX_CLASS = 63;

const UP_TO_63 = "^(?:[0-9]|[1-5][0-9]|6[0-3])$";
const UP_TO_7 = "^[0-7]$";

const forwardingClass = integer(0, MAX_CLASS, "A forwarding class.");

/** The forwarding classes of code points. */
const classesOf = (what: string, keys: string, description: string) =>
  Type.Optional(
    Type.Record(Type.String({ pattern: keys }), forwardingClass, {
      ...CLOSED,
      description,
      expects: `a map of ${what} to forwarding classes (0 to ${MAX_CLASS})`,
    }),
  );

const marks = Type.Object(
  {
    dscp: Type.Optional(integer(0, 63, "DSCP of the IP header, of a tunnel packet that of the outer one (RFC 2474).")),
    exp: Type.Optional(integer(0, 7, "Traffic class of the pushed MPLS label, once called EXP (RFC 5462).")),
    pcp: Type.Optional(
      integer(0, 7, "Priority of the VLAN tag (IEEE 802.1Q). On the TC hook also the packet's priority in the kernel."),
    ),
    queue: Type.Optional(
      integer(0, 4095, "Transmit queue of the outgoing device, from 0. Only packets decided on the TC hook have one."),
    ),
  },
  { ...CLOSED, description: "What packets of a class leave with." },
);

export const QosSchema = Type.Object(
  {
    name: name("Key."),
    dscp: classesOf("DSCPs (0 to 63)", UP_TO_63, "Forwarding class by the DSCP of a received IP packet."),
    exp: classesOf(
      "MPLS traffic classes (0 to 7)",
      UP_TO_7,
      "The same by the EXP field of a received tunnel packet's label.",
    ),
    pcp: classesOf("802.1p priorities (0 to 7)", UP_TO_7, "The same by the priority of a received VLAN tag."),
    classes: Type.Optional(
      Type.Record(Type.String({ pattern: UP_TO_63 }), marks, {
        ...CLOSED,
        description:
          "What packets of a class leave with, by class. What is not given here: the lowest code point that the maps above give the class to; none: as it is.",
        expects: `a map of forwarding classes (0 to ${MAX_CLASS}) to what their packets leave with`,
      }),
    ),
  },
  { ...CLOSED, description: "Code points and forwarding classes, both ways, of the interfaces that name it." },
);

/** Lowest and highest rate of a policer, bit/s. */
const [SLOWEST, FASTEST] = [1_000, 400_000_000_000];
const LARGEST_BURST = 1 << 30;

export const PolicerSchema = Type.Object(
  {
    bitsPerSecond: integer(
      SLOWEST,
      FASTEST,
      "Bits a second on the wire: Ethernet frames without FCS, preamble and gap; of a large packet those of each segment.",
    ),
    burstBytes: integer(
      1,
      LARGEST_BURST,
      "Bytes that may pass at once after a pause. A longer packet passes after a pause too, and is paid for later.",
    ),
  },
  { ...CLOSED, description: "A token bucket: what does not conform is dropped (`policed`)." },
);

export const PoliceSchema = Type.Object(
  {
    ingress: Type.Optional(PolicerSchema),
    egress: Type.Optional(PolicerSchema),
  },
  {
    ...CLOSED,
    description:
      "Rates of an interface. As in policies ingress is towards workloads: what goes out of a workload interface, what comes in by a fabric interface.",
  },
);

/** Code points and forwarding classes, both ways. */
export type Qos = Static<typeof QosSchema>;
/** A token bucket. */
export type Policer = Static<typeof PolicerSchema>;
/** Token buckets of an interface. */
export type Police = Static<typeof PoliceSchema>;
