// SPDX-License-Identifier: Apache-2.0
/** What a trace tells. */
import type { DropReason, Encap, FlowAction, NexthopType, TrapReason } from "../../layout/index.ts";
import type { Hook } from "../device/attach.ts";
import type { FlowKey } from "../flows/types.ts";

/** Label or VNI, at most one of them. */
interface LabelFields {
  readonly vni?: number;
  readonly label?: number;
}

/** A policy rule by name; absent where no rule decided. */
interface RuleFields {
  readonly policy?: string;
  readonly rule?: string;
}

/** What one stage of the pipeline decided. Next hops, interfaces, VRFs by name; addresses and MACs as text. */
export type TraceStep =
  /** The interface that receives the packet; `vlan` 1..4094: the frame's tag. */
  | {
      readonly stage: "interface";
      readonly interface: string;
      readonly device: string;
      readonly vrf: string;
      readonly vlan?: number;
    }
  /** Its forwarding class by the QoS map of the interface, 0 to 62; absent: none. */
  | { readonly stage: "class"; readonly class?: number }
  /** Taken out of a tunnel; without `tunnel` the sender is none that a next hop names. */
  | ({
      readonly stage: "decapsulate";
      readonly encap: Encap;
      readonly tunnel?: string;
      readonly vrf: string;
    } & LabelFields)
  /** The source MAC is new: that of the workload, or of a bridge entry, which may have moved here; or the address is. */
  | { readonly stage: "learn"; readonly learned: "workload" | "bridge" | "moved" | "address"; readonly mac: string }
  /** ARP, neighbour discovery or an echo to a gateway, answered in place. */
  | { readonly stage: "answer" }
  /** A decided flow says what to do. */
  | ({
      readonly stage: "flow";
      readonly key: FlowKey;
      readonly action: FlowAction;
      readonly nexthop?: string;
    } & RuleFields)
  /** No decided flow; `held`: another packet of it is being decided. The answers would go to `reverse`. */
  | { readonly stage: "flow-miss"; readonly key: FlowKey; readonly held?: true; readonly reverse?: string }
  /** Translated as its flow says: what it has become. */
  | { readonly stage: "nat"; readonly key: FlowKey }
  /** What policy says of the new flow: egress is the sender's policy, ingress the receiver's. */
  | ({
      readonly stage: "policy";
      readonly action: "none" | "allow" | "deny" | "reject" | "ask";
      readonly direction?: "ingress" | "egress";
    } & RuleFields)
  /** Longest prefix of `address` in `vrf`; without `nexthop` there is none. */
  | ({
      readonly stage: "route";
      readonly vrf: string;
      readonly address: string;
      readonly prefix?: string;
      readonly nexthop?: string;
    } & LabelFields)
  /** Bridge entry of `mac`, or that of group frames and unknown MACs; without `nexthop` there is none. */
  | ({ readonly stage: "bridge"; readonly vrf: string; readonly mac: string; readonly nexthop?: string } & LabelFields)
  /** The member that an ecmp next hop chose. */
  | ({ readonly stage: "ecmp"; readonly ecmp: string; readonly nexthop: string } & LabelFields)
  /** Looked up again in another VRF. */
  | { readonly stage: "vrf"; readonly nexthop: string; readonly vrf: string }
  /** What is carried out. */
  | ({ readonly stage: "nexthop"; readonly nexthop: string; readonly type: NexthopType } & LabelFields)
  /** A member of a flood; what becomes of its copy follows. */
  | { readonly stage: "member"; readonly nexthop: string; readonly type: NexthopType }
  /** Routed: new MACs, and the TTL or hop limit that goes out. */
  | {
      readonly stage: "rewrite";
      readonly destinationMac: string;
      readonly sourceMac: string;
      readonly ttl: number;
    }
  /** Put into a tunnel, from and to underlay addresses; `underlay`: the next hop, or the path over the fabric. */
  | ({
      readonly stage: "encapsulate";
      readonly encap: Encap;
      readonly tunnel: string;
      readonly local: string;
      readonly remote: string;
      readonly underlay: string;
    } & LabelFields)
  /** Sent out. */
  | { readonly stage: "output"; readonly interface: string; readonly device: string }
  /** A copy sent out. */
  | { readonly stage: "copy"; readonly interface: string; readonly device: string }
  /** A copy of it, as it is here, for a mirror; `encapsulate` and `copy`, or a `drop`, say what becomes of the copy. */
  | { readonly stage: "mirror"; readonly mirror: string }
  /** Given to the host's stack. */
  | { readonly stage: "host" }
  /** XDP leaves it to TC on the same device; what follows is decided there. */
  | { readonly stage: "hand-over" }
  /** Given to the slow path: `reason` says what it does. */
  | { readonly stage: "trap"; readonly reason: TrapReason }
  /** The packet, or one copy of it, is dropped. */
  | { readonly stage: "drop"; readonly reason: DropReason };

/**
 * What becomes of the packet. forward: sent out, perhaps as copies. answer: answered to where it came from. host: to
 * the host's stack. trap: the slow path goes on with it. ask: the controller is asked. reject: dropped, and the slow
 * path tells the sender.
 */
export type TraceVerdict = "forward" | "answer" | "host" | "trap" | "ask" | "reject" | "drop";

/** A frame that leaves the node. */
export interface TraceOutput {
  readonly interface: string;
  readonly device: string;
  /** The frame from its Ethernet header on, as it is on the wire; of a copy at most its first 4096 bytes. */
  readonly bytes: Uint8Array;
  /** The mirror that it is a copy for. */
  readonly mirror?: string;
}

/** Where a packet would go, and why. */
export interface Trace {
  /** Where the packets of its interface are decided. */
  readonly hook: Hook;
  readonly steps: readonly TraceStep[];
  readonly verdict: TraceVerdict;
  /** Why it is dropped, rejected or trapped. */
  readonly reason?: DropReason | TrapReason;
  readonly outputs: readonly TraceOutput[];
}
