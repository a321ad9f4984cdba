// SPDX-License-Identifier: Apache-2.0
/**
 * The language of the packet cases: a state, a packet in, and what has to become of it. Packets
 * are scapy expressions (with the words of words.ts), so that the expected bytes come from
 * another program than the one that is tested.
 */

import type { DropReason, TrapReason } from "../../../sdk/layout/generated.ts";
import type { Hook } from "../pipeline_harness.ts";
import type { DecisionOptions, FlowTuple } from "../pipeline_options.ts";
import type { Trap } from "../pipeline_outcome.ts";
import type { Label, MemberOptions, TunnelOptions } from "../pipeline_overlay.ts";

/** Scapy expression of a frame. */
export type Packet = string;

/** Prefix or MAC, id of the next hop, and what else the entry says. VRF: 1. */
export type Entry = readonly [
  to: string,
  nexthop: number,
  o?: Label & { readonly vrf?: number; readonly flags?: number },
];

export interface NexthopState {
  readonly type: "interface" | "local" | "discard" | "resolve" | "none";
  readonly interface?: number;
  readonly flags?: number;
  readonly mac?: string;
  readonly mtu?: number;
}

export interface InterfaceState {
  /** INTERFACE_*, beside what the interface has in the standing node. */
  readonly flags?: number;
  /** NEXTHOP_FLAG_* of its own next hop. */
  readonly nexthopFlags?: number;
  readonly mtu?: number;
  /** 00:00:00:00:00:00: not known yet. */
  readonly mac?: string;
  readonly vlan?: number;
}

/** What a case has beside the standing node of node.ts. Ids are those of interfaces and next hops. */
export interface State {
  readonly interfaces?: Readonly<Record<number, InterfaceState>>;
  readonly nexthops?: Readonly<Record<number, NexthopState>>;
  readonly tunnels?: Readonly<Record<number, Partial<TunnelOptions>>>;
  /** Next hops of several members; `fields`: HASH_*. */
  readonly groups?: Readonly<
    Record<
      number,
      { readonly type: "ecmp" | "flood"; readonly members: readonly MemberOptions[]; readonly fields?: number }
    >
  >;
  readonly routes?: readonly Entry[];
  readonly fdb?: readonly Entry[];
  /** Whether unknown unicast is flooded in VRF 1. Default false. */
  readonly floodUnknown?: boolean;
  readonly labels?: Readonly<Record<number, { nexthop: number; vrf?: number; ethernet?: boolean }>>;
  /** VNI → VRF. */
  readonly vnis?: Readonly<Record<number, number>>;
  /** Flows that have been decided. */
  readonly flows?: readonly (FlowTuple & DecisionOptions)[];
  /** Packets received before, whose fate is not looked at. */
  readonly before?: readonly { readonly packet: Packet; readonly on?: number }[];
  readonly config?: Partial<
    Record<"headlessForward" | "foreignTunnels" | "trapRate" | "trapBytes" | "holdTimeoutMs" | "generation", number>
  >;
  /** Whether all interfaces have caused as many traps in this second as they may. Default false. */
  readonly trapsSpent?: boolean;
  /** Whether the slow path listens. Default true. */
  readonly controller?: boolean;
}

export type Expected =
  /** Sent out of an interface. `entropy`: the outer UDP source port is to be in 49152..65535, and is not compared. */
  | { readonly verdict: "out"; readonly interface: number; readonly packet: Packet; readonly entropy?: boolean }
  /** The program's own answer, back to where the question came from. */
  | { readonly verdict: "answer"; readonly packet: Packet; readonly interface?: number; readonly entropy?: boolean }
  /** Passed to the host's stack; `packet` absent: as it came. `redirected`: TC puts it anew into its device. */
  | { readonly verdict: "host"; readonly packet?: Packet; readonly redirected?: boolean }
  /** `on`: the interface that it is counted for; default: the one that received it. */
  | { readonly verdict: "drop"; readonly reason: DropReason; readonly on?: number }
  /** To the slow path; `packet` absent: as it came. `drop`: counted as dropped besides. */
  | {
      readonly verdict: "trap";
      readonly reason: TrapReason;
      readonly meta: Partial<Omit<Trap, "reason" | "packet">>;
      readonly packet?: Packet;
      readonly drop?: DropReason;
    }
  /** Copies made by TC; XDP leaves the frame to it. */
  | {
      readonly verdict: "copies";
      readonly copies: readonly Copy[];
      readonly drops?: Partial<Record<DropReason, number>>;
    }
  /** XDP leaves the finished packet for the namespace of `interface` to TC, which lets the kernel merge it first. */
  | { readonly verdict: "companion"; readonly interface: number; readonly packet: Packet };

export interface Copy {
  readonly interface: number;
  readonly packet: Packet;
  readonly entropy?: boolean;
}

export interface PacketCase {
  /** A sentence's rest: what the packet is, and what becomes of it. */
  readonly name: string;
  readonly given?: State;
  readonly packet: Packet;
  /** Interface that receives it. Default: A. */
  readonly on?: number;
  readonly becomes: Expected;
  /** Default: both. */
  readonly only?: { readonly hook: Hook; readonly why: string };
}

export interface Topic {
  readonly name: string;
  readonly cases: readonly PacketCase[];
}

export function out(to: number, packet: Packet): Expected {
  return { verdict: "out", interface: to, packet };
}

/** Sent out with an outer UDP source port by the inner flow. */
export function tunnelled(to: number, packet: Packet): Expected {
  return { verdict: "out", interface: to, packet, entropy: true };
}

export function answered(packet: Packet): Expected {
  return { verdict: "answer", packet };
}

export const toHost: Expected = { verdict: "host" };

export function dropped(reason: DropReason, on?: number): Expected {
  return on === undefined ? { verdict: "drop", reason } : { verdict: "drop", reason, on };
}

/** Fields of the header that are not given: what an IPv4 packet from A has that nothing is known of. */
export function trapped(
  reason: TrapReason,
  meta: Partial<Omit<Trap, "reason" | "packet">> = {},
  o: { packet?: Packet; drop?: DropReason } = {},
): Expected {
  return { verdict: "trap", reason, meta, ...o };
}

export function copies(...list: readonly Copy[]): Expected {
  return { verdict: "copies", copies: list };
}
