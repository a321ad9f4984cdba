// SPDX-License-Identifier: Apache-2.0
/** Sequences of TCP segments and ICMP errors, for Weir and nf_conntrack alike. */

import { icmpError, MAC_A, MAC_B, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, tcp } from "./pipeline_packets.ts";

export type Side = "client" | "server";

export interface Step {
  readonly from: Side;
  readonly text: string;
  readonly flags: number;
  readonly seq: number;
  readonly ack: number;
  readonly bytes: number;
  /** An ICMP error, about the other side's first segment. */
  readonly icmp?: boolean;
}

export interface Case {
  readonly name: string;
  readonly steps: readonly Step[];
  /** Packets after which the states differ, from 1 on, and why. */
  readonly unlike?: { readonly at: readonly number[]; readonly why: string };
}

const CLIENT = "10.97.0.1";
const SERVER = "10.97.0.130";
/** First sequence numbers: a segment's `seq` counts from its own side's, `ack` from the other's. */
const FIRST: Readonly<Record<Side, number>> = { client: 0xffff_ff00, server: 70_000 };
const WINDOW = 1000;

/** Ports of the case of this number. */
export const PORTS = (port: number): { sourcePort: number; destinationPort: number } => ({
  sourcePort: 20_000 + port,
  destinationPort: 8080,
});

const segment =
  (from: Side) =>
  (flags: number, seq: number, ack = 0, bytes = 0): Step => {
    const names = [
      [TCP_SYN, "SYN"],
      [TCP_FIN, "FIN"],
      [TCP_RST, "RST"],
      [TCP_ACK, `ACK ${ack}`],
    ] as const;
    const text = names.flatMap(([flag, name]) => ((flags & flag) === 0 ? [] : [name])).join(" ");
    return { from, flags, seq, ack, bytes, text: `${text}, at ${seq}${bytes > 0 ? `, ${bytes} bytes` : ""}` };
  };
const client = segment("client");
const server = segment("server");
const unreachable = (from: Side): Step => ({ ...segment(from)(0, 0), icmp: true, text: "ICMP host unreachable" });

const HANDSHAKE = [client(TCP_SYN, 0), server(TCP_SYN | TCP_ACK, 0, 1), client(TCP_ACK, 1, 1)];

export const CASES: readonly Case[] = [
  { name: "handshake", steps: [...HANDSHAKE, client(TCP_ACK, 1, 1, 100), server(TCP_ACK, 1, 101)] },
  {
    name: "SYN sent again",
    steps: [client(TCP_SYN, 0), client(TCP_SYN, 0), ...HANDSHAKE.slice(1)],
  },
  {
    name: "SYN and ACK sent again",
    steps: [...HANDSHAKE.slice(0, 2), server(TCP_SYN | TCP_ACK, 0, 1), ...HANDSHAKE.slice(2)],
  },
  {
    name: "SYN refused",
    steps: [client(TCP_SYN, 0), server(TCP_RST | TCP_ACK, -70_000, 1)],
    unlike: {
      at: [2],
      why: "nf_conntrack deletes an entry that was never answered but by a reset; Weir's goes with its time, so that the client's next try need not be decided.",
    },
  },
  {
    name: "simultaneous open",
    steps: [
      client(TCP_SYN, 0),
      server(TCP_SYN, 0),
      client(TCP_SYN | TCP_ACK, 0, 1),
      server(TCP_SYN | TCP_ACK, 0, 1),
      client(TCP_ACK, 1, 1),
    ],
    unlike: {
      at: [4],
      why: "Both have acknowledged the other's SYN then, which establishes it (RFC 9293 figure 7); nf_conntrack waits for a segment without SYN.",
    },
  },
  {
    name: "both FINs",
    steps: [
      ...HANDSHAKE,
      client(TCP_FIN | TCP_ACK, 1, 1),
      server(TCP_ACK, 1, 2),
      server(TCP_FIN | TCP_ACK, 1, 2),
      client(TCP_ACK, 2, 2),
    ],
  },
  {
    name: "both FINs at once",
    steps: [
      ...HANDSHAKE,
      client(TCP_FIN | TCP_ACK, 1, 1),
      server(TCP_FIN | TCP_ACK, 1, 1),
      client(TCP_ACK, 2, 2),
      server(TCP_ACK, 2, 2),
    ],
  },
  {
    name: "half-closed, data goes on",
    steps: [
      ...HANDSHAKE,
      client(TCP_FIN | TCP_ACK, 1, 1),
      server(TCP_ACK, 1, 2, 500),
      client(TCP_ACK, 2, 501),
      server(TCP_ACK, 501, 2, 500),
      server(TCP_FIN | TCP_ACK, 1001, 2),
    ],
  },
  {
    name: "data sent again, and FIN sent again",
    steps: [
      ...HANDSHAKE,
      client(TCP_ACK, 1, 1, 100),
      client(TCP_ACK, 1, 1, 100),
      server(TCP_ACK, 1, 101),
      client(TCP_FIN | TCP_ACK, 101, 1),
      client(TCP_FIN | TCP_ACK, 101, 1),
    ],
    unlike: {
      at: [8],
      why: "nf_conntrack takes the second FIN of the same side for the last one; Weir closes when both sides have sent theirs.",
    },
  },
  { name: "reset where the receiver expects the next byte", steps: [...HANDSHAKE, client(TCP_RST, 1)] },
  {
    name: "reset behind data that is not acknowledged yet",
    steps: [...HANDSHAKE, client(TCP_ACK, 1, 1, 100), client(TCP_RST, 101)],
  },
  { name: "reset in the window, but not at its edge", steps: [...HANDSHAKE, client(TCP_RST, 300)] },
  { name: "reset behind the window", steps: [...HANDSHAKE, client(TCP_RST, 5000)] },
  { name: "reset in front of the window", steps: [...HANDSHAKE, server(TCP_ACK, 1, 1), client(TCP_RST, -2000)] },
  {
    name: "data behind the window",
    steps: [...HANDSHAKE, client(TCP_ACK, 50_000, 1, 100), client(TCP_ACK, 1, 1, 10)],
  },
  { name: "FIN behind the window", steps: [...HANDSHAKE, client(TCP_FIN | TCP_ACK, 50_000, 1)] },
  {
    name: "acknowledgement of what was never sent",
    steps: [...HANDSHAKE, client(TCP_FIN | TCP_ACK, 1, 9000)],
  },
  { name: "SYN in an established connection", steps: [...HANDSHAKE, client(TCP_SYN, 40_000), server(TCP_ACK, 1, 1)] },
  {
    name: "ports used again after a reset",
    steps: [...HANDSHAKE, client(TCP_RST, 1), client(TCP_SYN, 40_000), server(TCP_SYN | TCP_ACK, 9, 40_001)],
  },
  {
    name: "ports used again after both FINs",
    steps: [
      ...HANDSHAKE,
      client(TCP_FIN | TCP_ACK, 1, 1),
      server(TCP_FIN | TCP_ACK, 1, 2),
      client(TCP_ACK, 2, 2),
      client(TCP_SYN, 40_000),
    ],
  },
  { name: "ICMP error about an established connection", steps: [...HANDSHAKE, unreachable("server")] },
  { name: "ICMP error about a SYN", steps: [client(TCP_SYN, 0), unreachable("server")] },
  {
    name: "connection that was there before",
    steps: [client(TCP_ACK, 1, 1, 10), server(TCP_ACK, 1, 11), client(TCP_ACK, 11, 1)],
    unlike: {
      at: [1],
      why: "nf_conntrack believes one segment that a connection is there; Weir waits for one of the other side.",
    },
  },
];

const other = (side: Side): Side => (side === "client" ? "server" : "client");

/** The step's frame, to the gateway. */
export function frameOf(step: Step, port: number): Uint8Array {
  const ports = PORTS(port);
  const addresses =
    step.from === "client"
      ? { source: CLIENT, destination: SERVER, from: MAC_A, ...ports }
      : {
          source: SERVER,
          destination: CLIENT,
          from: MAC_B,
          sourcePort: ports.destinationPort,
          destinationPort: ports.sourcePort,
        };
  if (step.icmp === true) {
    // Quotes the client's SYN as it came here: 20 bytes of IP, 20 of TCP.
    const quoted = tcpPacketOf(client(TCP_SYN, 0), port);
    return icmpError(3, 1, quoted, addresses);
  }
  return tcp({
    ...addresses,
    flags: step.flags,
    sequence: (FIRST[step.from] + step.seq) >>> 0,
    acknowledgement: (step.flags & TCP_ACK) === 0 ? 0 : (FIRST[other(step.from)] + step.ack) >>> 0,
    window: WINDOW,
    payload: new Uint8Array(step.bytes),
  });
}

/** Without the Ethernet header. */
function tcpPacketOf(step: Step, port: number): Uint8Array {
  return frameOf(step, port).subarray(14);
}
