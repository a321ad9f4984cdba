// SPDX-License-Identifier: Apache-2.0
/** What the packet tests say of interfaces, flows and decisions. */

export interface InterfaceOptions {
  /** Default: the loopback device. */
  readonly ifindex?: number;
  readonly vrf?: number;
  readonly flags?: number;
  /** Number of its policies; goes with INTERFACE_POLICY. */
  readonly policy?: number;
  readonly role?: number;
  readonly mac?: string;
  readonly vlan?: number;
  readonly mtu?: number;
  /** Index in `qos_maps`; goes with INTERFACE_QOS. */
  readonly qosMap?: number;
  readonly nexthopFlags?: number;
  /** Indexes of mirrors. */
  readonly mirrorReceived?: number;
  readonly mirrorSent?: number;
  /** Traps that the controller takes, of those that are raised for nobody else: bits by their numbers. */
  readonly traps?: number;
}

export interface FlowTuple {
  readonly vrf?: number;
  readonly source: string;
  readonly destination: string;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly protocol?: number;
}

export interface FlowState {
  readonly action: number;
  readonly state: number;
  readonly flags: number;
  readonly generation: number;
  readonly nexthop: number;
  readonly ingress: number;
  readonly packets: number;
  readonly bytes: number;
  readonly trapped: number;
  readonly worker: number;
  readonly rule: number;
  readonly reroute: number;
}

export interface DecisionOptions {
  readonly operation?: "set" | "delete" | "reroute";
  /** Reroute: not 0. */
  readonly revision?: number;
  readonly action?: "forward" | "drop" | "nat";
  /** Action nat: what its packets become. Default: what they are. */
  readonly becomes?: Partial<FlowTuple>;
  readonly generation?: number;
  readonly flags?: number;
  readonly ingress?: number;
  readonly reverseIngress?: number;
  readonly nexthop?: number;
  readonly reverseNexthop?: number;
  readonly idleSeconds?: number;
  readonly rule?: number;
  readonly worker?: number;
  /** With its kind in the high byte, as in struct flow_decision. */
  readonly label?: number;
  readonly mirror?: number;
  readonly reverseMirror?: number;
  readonly reverseVrf?: number;
}
