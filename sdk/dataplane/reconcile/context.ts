// SPDX-License-Identifier: Apache-2.0
/** What the steps of a reconciliation share. */

import type { SlowPath } from "../../slowpath/index.ts";
import type { Locate } from "../check/check.ts";
import type { TakenTraps } from "../controller/taken_traps.ts";
import type { Attacher } from "../device/attach.ts";
import type { Device, Devices } from "../device/devices.ts";
import type { DirectSockets } from "../device/live.ts";
import type { LiveInterfaces } from "../device/live_interfaces.ts";
import type { LostDevices } from "../device/lost_devices.ts";
import type { RaisedPacketLimits } from "../device/packet_limits.ts";
import type { PeerFeatures } from "../device/peer_features.ts";
import type { ReplacedXdp } from "../device/replaced_xdp.ts";
import type { Tuning } from "../drivers/index.ts";
import type { TrapLink } from "../instance/trap_link.ts";
import type { KernelTables } from "../kernel/tables.ts";
import type { PackedPrefixes } from "../routes/packed_prefixes.ts";
import type { Limits, Node } from "../schema/index.ts";
import type { DesiredState } from "../state/desired.ts";
import type { Ids } from "../state/ids.ts";
import type { Undo } from "../state/undo.ts";
import type { ChangedRules } from "./changed_rules.ts";
import type { Followed } from "./followed.ts";
import type { Policies } from "./policies.ts";
import type { Ways } from "./ways.ts";

/** Gives interfaces on the XDP hook sockets of their own. */
export interface DirectPorts {
  /**
   * @param worker of the first queue.
   * @returns `undefined` when the interface gets none: its packets then come over the trap link.
   */
  add(interfaceId: number, device: Device, worker: number): DirectSockets | undefined;
  remove(interfaceId: number): void;
}

/** The parts that a reconciliation works with. */
export interface Parts {
  readonly state: DesiredState;
  readonly ids: Ids;
  readonly tables: KernelTables;
  readonly devices: Devices;
  readonly attacher: Attacher;
  readonly peers: PeerFeatures;
  readonly packetLimits: RaisedPacketLimits;
  readonly tuning: Tuning;
  readonly replacedXdp: ReplacedXdp;
  readonly lostDevices: LostDevices;
  readonly followed: Followed;
  readonly ways: Ways;
  readonly policies: Policies;
  readonly trapLink: TrapLink;
  readonly direct: DirectPorts;
  readonly slowPath: SlowPath;
  readonly takenTraps: TakenTraps;
  readonly limits: Required<Limits>;
  readonly workers: number;
  readonly live: LiveInterfaces;
}

/** One run over a set of changes. */
export interface Run extends Parts {
  readonly locate: Locate;
  readonly undo: Undo;
  readonly node: Node;
  /** Devices that are not there are waited for, whatever the objects say: the state was accepted earlier. */
  readonly resuming: boolean;
  /** What must wait until the changes are kept: everything that takes something away. */
  readonly retire: (() => void)[];
  /** Flows that the changes concern. */
  readonly stale: StaleFlows;
}

/** Which flow entries a change concerns. What goes another way now is led there; see bpf/flow_move.h. */
export interface StaleFlows {
  /** Numbers of interfaces that they come from: these may not be where they were. */
  readonly interfaces: Set<number>;
  /** Numbers of interfaces that are no more; they are among `interfaces` too. */
  readonly gone: Set<number>;
  /** Numbers of interfaces that are in another VRF: no flow from or to them goes on. */
  readonly over: Set<number>;
  /** Numbers of next hops that they go to, or whose tunnels they come from. */
  readonly nexthops: Set<number>;
  /** Numbers of interfaces whose policy, and nothing else, has changed: what it still allows goes on. */
  readonly policies: Set<number>;
  /** What has changed in it; `undefined`: any flow from or to them may be decided otherwise. */
  rules: ChangedRules | undefined;
  /** Numbers of mirrors that they are copied for, and that are no more. */
  readonly mirrors: Set<number>;
  /** Prefixes that source or destination lies in, with the numbers of the VRFs in the kernel. */
  prefixes: PackedPrefixes;
  /** Numbers of VRFs in which routes of other VRFs are looked up again. */
  readonly translated: ReadonlySet<number>;
}
