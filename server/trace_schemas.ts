// SPDX-License-Identifier: Apache-2.0
/** Schemas of `POST /v1/trace`. */

import { type Static, Type } from "./typebox.ts";

const text = (description: string) => Type.Optional(Type.String({ description }));
const number = (maximum: number, description: string) =>
  Type.Optional(Type.Integer({ minimum: 0, maximum, description }));

/** A packet by its fields; what is not given has the defaults of the interface. */
const fields = {
  dst: text("Destination address; either this or `packet` is required."),
  src: text("Source address. Default: the interface's own."),
  proto: Type.Optional(
    Type.Union([Type.String(), Type.Integer({ minimum: 0, maximum: 255 })], {
      description: "tcp, udp, icmp, icmpv6, sctp, gre, esp or a number. Default: icmp or icmpv6.",
    }),
  ),
  sport: number(65535, "Source port. Default: 49152."),
  dport: number(65535, "Destination port. Default: 80."),
  type: number(255, "ICMP type. Default: echo request."),
  code: number(255, "ICMP code. Default: 0."),
  flags: Type.Optional(
    Type.Array(Type.Union((["fin", "syn", "rst", "psh", "ack"] as const).map((flag) => Type.Literal(flag))), {
      description: "TCP flags. Default: syn.",
    }),
  ),
  vlan: number(4094, "VLAN id; 0: untagged. Default: that of the interface."),
  dscp: number(63, "DSCP. Default: 0."),
  ttl: number(255, "TTL or hop limit. Default: 64."),
  size: number(3500, "Bytes of the whole frame. Default: the headers alone."),
  srcMac: text("Source MAC. Default: that of the interface's workload."),
  dstMac: text("Destination MAC. Default: the gateway's, or that of a group address."),
};

/** Where a packet is received, and what it is. */
export const traceRequestSchema = Type.Object(
  {
    interface: Type.String({ description: "Interface that receives the packet." }),
    packet: text("The frame from its Ethernet header on, in hexadecimal digits; in place of all that follows."),
    ...fields,
  },
  { additionalProperties: false },
);

export type TraceRequest = Static<typeof traceRequestSchema>;

/** Where the packet would go. */
export const traceSchema = Type.Object({
  hook: Type.String({ description: "tc or xdp: where the interface's packets are decided." }),
  steps: Type.Array(
    Type.Object(
      { stage: Type.String({ description: "Stage of the pipeline." }) },
      { additionalProperties: true, description: "What the stage decided; fields by stage." },
    ),
  ),
  verdict: Type.String({ description: "forward, answer, host, trap, ask, reject or drop." }),
  reason: Type.Optional(Type.String({ description: "Why it is dropped, rejected or trapped." })),
  outputs: Type.Array(
    Type.Object({
      interface: Type.String({ description: "Interface that it leaves by." }),
      device: Type.String({ description: "Its device." }),
      bytes: Type.String({ description: "The frame, in hexadecimal digits." }),
      mirror: Type.Optional(Type.String({ description: "The mirror that it is a copy for." })),
    }),
  ),
});

/** The answer as it goes over the wire. */
export type TraceAnswer = Static<typeof traceSchema>;
