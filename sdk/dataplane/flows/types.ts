// SPDX-License-Identifier: Apache-2.0
/** Flows as controllers see them. */

import type { Translation } from "./translation.ts";
import type { FlowTreatment } from "./treatment.ts";

/** Names one direction of a flow. */
export interface FlowKey {
  readonly vrf: string;
  /** `tcp`, `udp`, `icmp`, `icmpv6`, `sctp`, `gre`, `esp`, or the number of the IP protocol as text. */
  readonly proto: string;
  readonly src: string;
  /** Port; 0 without. ICMP: the identifier of an echo, else type << 8 | code of what answers it; 0: nothing does. */
  readonly sport: number;
  readonly dst: string;
  /** Port; 0 without. ICMP: the identifier of an echo, else type << 8 | code. */
  readonly dport: number;
}

/** One direction of a flow. */
export interface Flow extends FlowKey {
  readonly action: "forward" | "drop" | "nat" | "hold";
  readonly state: "none" | "new" | "established" | "closing" | "closed";
  readonly packets: number;
  /** From the first byte of the IP header. */
  readonly bytes: number;
  /** RFC 3339. */
  readonly lastSeen: string;
  /** Policy and rule that decided; absent where none did. */
  readonly policy?: string;
  readonly rule?: string;
  /** Why it is dropped, action drop. */
  readonly reason?: string;
  /** Interface that it must come from. */
  readonly interface?: string;
  /** Tunnel that it must come from. */
  readonly tunnel?: string;
  /** Next hop that it goes to. */
  readonly nexthop?: string;
  /** Mirror that gets copies of its packets. */
  readonly mirror?: string;
  /** Action nat: what its packets become. */
  readonly translate?: Translation;
  /** VNI or label that it gets, where that is a tunnel. */
  readonly vni?: number;
  readonly label?: number;
  /** Unique for the pair; `set` may demand it. */
  readonly generation: number;
  /** Key of the other direction. */
  readonly reverse: { readonly src: string; readonly sport: number; readonly dst: string; readonly dport: number };
}

/** Which flows: every field given must match. */
export interface FlowSelector {
  readonly vrf?: string | undefined;
  readonly proto?: string | undefined;
  /** An address, or a prefix that it lies in. */
  readonly src?: string | undefined;
  readonly dst?: string | undefined;
  readonly sport?: number | undefined;
  readonly dport?: number | undefined;
}

/** A flow to be set: both directions. */
export interface FlowSetting extends FlowKey, FlowTreatment {
  readonly action: "forward" | "drop" | "nat";
  /** Interface that it must come from. */
  readonly interface: string;
  /** VRF in which the destination is looked up. Default: that of the key. */
  readonly nexthopVrf?: string | undefined;
  /** The generation that it replaces. Default 0: there must be no flow. */
  readonly generation?: number | undefined;
}

/**
 * What became of a setting. stale: with `generation`, and the flow has another one by now, or is gone. exists: without,
 * and there is one, or one of its directions is another's. full: the table is.
 */
export type FlowResult = "ok" | "stale" | "exists" | "full";
