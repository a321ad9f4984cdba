// SPDX-License-Identifier: Apache-2.0
/** What the process knows of interfaces beyond their objects. */

import type { DeviceSettings } from "../drivers/index.ts";
import type { HostStatus } from "../host/host_network.ts";
import type { GuardStatus } from "../kernel/guard_table.ts";
import type { PolicerDrops } from "../kernel/policer_table.ts";
import type { InterfaceRecord } from "../kernel/records.ts";
import type { InterfaceAddresses } from "../kernel/tables.ts";
import type { Interface } from "../schema/index.ts";
import type { Attachment, Hook } from "./attach.ts";
import type { Neighbour } from "./attached_programs.ts";
import type { Device } from "./devices.ts";
import type { LongestPackets } from "./packet_limits.ts";
import type { KnownDevice } from "./same_device.ts";

/** Own sockets of an interface on the XDP hook. */
export interface DirectSockets {
  /** First index in the map `xsks`. */
  readonly base: number;
  /** One a receive queue. */
  readonly count: number;
  /** Whether frames are copied. */
  readonly mode: "copy" | "zerocopy";
}

/** An interface as it is in the kernel. */
export interface LiveInterface {
  readonly object: Interface;
  readonly id: number;
  readonly vrf: number;
  readonly nexthop: number;
  /** `undefined`: the device is not there, and the interface waits for it. */
  readonly device: Device | undefined;
  /** The device that went while the process ran: a new one under its name must prove to be the same. */
  readonly lost: KnownDevice | undefined;
  /** Why a device that has the name is not taken. */
  readonly refused?: string | undefined;
  readonly record: InterfaceRecord | undefined;
  readonly addresses: InterfaceAddresses;
  /** MAC of the workload as its tables have it: given, or learned. */
  readonly mac: Uint8Array | undefined;
  /** MAC of the bridge entry that it brings. One that learns brings none for what it learned: that ages. */
  readonly bridgeMac: Uint8Array | undefined;
  readonly attachment: Attachment | undefined;
  readonly direct: DirectSockets | undefined;
  /** What it does not do as well as it could, and how to mend it. */
  readonly warnings: readonly string[];
}

/** `status` of an interface. */
export interface InterfaceStatus {
  /** up: packets are decided. down: the device is down. waiting: the device is not there. */
  readonly state: "up" | "down" | "waiting";
  readonly device: string;
  /** waiting: why the device that has the name is not taken. */
  readonly reason?: string;
  readonly ifindex?: number;
  /** Hook in use. */
  readonly hook?: Hook;
  /** How its packets reach the slow path: over the trap link, or by own sockets. */
  readonly port?: "trap" | "copy" | "zerocopy";
  /** Receive queues with sockets of their own, where `port` is not `trap`. */
  readonly queues?: number;
  /** Layer 3, in bytes. */
  readonly mtu?: number;
  /** Longest packets, in bytes, that its stack may make for the others of the node where that was raised (BIG TCP). */
  readonly bigTcp?: LongestPackets;
  /** Settings of the device that were made because of `tune`. */
  readonly tuned?: DeviceSettings;
  /** MAC of the workload, given or learned. */
  readonly mac?: string;
  /** Role host: what the host's own stack has of the VRF. */
  readonly host?: HostStatus;
  readonly warnings?: readonly string[];
  /** Programs on the device, in the order in which they get its packets, where there are others than Weir's. */
  readonly programs?: readonly Neighbour[];
  /** What its policers dropped since they were set. */
  readonly police?: { readonly ingress?: PolicerDrops; readonly egress?: PolicerDrops };
  /** Flows that its packets have made. */
  readonly flows?: GuardStatus;
}
