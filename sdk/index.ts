// SPDX-License-Identifier: Apache-2.0
/**
 * `weir`: an embeddable eBPF data plane.
 *
 * ```ts
 * import { DataPlane } from "weir";
 *
 * await using dp = await DataPlane.open();
 * await dp.apply(state);
 * dp.onFlowMiss((misses) => {
 *   for (const miss of misses) miss.decide({ action: "forward" });
 * });
 * ```
 *
 * @module
 */

export { type AttachedProgram, attachedPrograms, type Neighbour } from "./dataplane/attached_programs.ts";
export type { Change } from "./dataplane/change.ts";
export type { Committed, Plan } from "./dataplane/core.ts";
export type {
  DropCount,
  InterfaceCounters,
  MirrorCounters,
  TunnelCounters,
  VrfCounters,
} from "./dataplane/counters.ts";
export { type ApplyOptions, DataPlane, type FlowTable } from "./dataplane/dataplane.ts";
export {
  type DeviceFacts,
  type DeviceNeed,
  type DeviceReport,
  type DeviceSettings,
  type Fixed,
  type FixOptions,
  fixDevices,
  type InspectOptions,
  inspectDevice,
  type XdpAbilities,
} from "./dataplane/drivers/index.ts";
export type { DropGroup } from "./dataplane/drops.ts";
export {
  type DataPlaneEvent,
  type DropSample,
  type EventKind,
  type EventOptions,
  eventKinds,
  type FlowEnd,
  type InterfaceChange,
} from "./dataplane/events.ts";
export type { FlowMiss, FlowMissHandler, FlowMissOptions, Verdict } from "./dataplane/flow_miss.ts";
export type { TranslatedEnd, Translation } from "./dataplane/flows/translation.ts";
export type { FlowTreatment, ReverseTreatment } from "./dataplane/flows/treatment.ts";
export type { Flow, FlowKey, FlowResult, FlowSelector, FlowSetting } from "./dataplane/flows/types.ts";
export type { InjectAs } from "./dataplane/inject.ts";
export type { GuardStatus } from "./dataplane/kernel/guard_table.ts";
export type { PolicerDrops } from "./dataplane/kernel/policer_table.ts";
export type { ClassMarks } from "./dataplane/kernel/qos_record.ts";
export type { KernelRoutesStatus } from "./dataplane/kernel_routes/mirrored_vrf.ts";
export type { IgnoredReason } from "./dataplane/kernel_routes/target.ts";
export type { InterfaceStatus } from "./dataplane/live.ts";
export { type OpenOptions, openOptionsOf } from "./dataplane/options.ts";
export type { Packet, PacketHandler, PacketMatch, PacketOptions } from "./dataplane/packets.ts";
export { type DestroyOptions, destroyInstance } from "./dataplane/remove_instance.ts";
export {
  checkState,
  DEFAULT_GATEWAY_MAC,
  DEFAULT_GATEWAYS,
  DEFAULT_HOLD_LIMIT,
  DEFAULT_LIMITS,
  DEFAULT_TIMEOUTS,
  type Encap,
  type FdbEntry,
  type HashField,
  type Interface,
  type KernelRoutesConfig,
  type Key,
  type Kind,
  type KindObjects,
  kindSchemas,
  kinds,
  type Label,
  type Limits,
  type Mirror,
  type NewFlows,
  type Nexthop,
  type NexthopMember,
  type Node,
  type Police,
  type Policer,
  type Policy,
  type PrefixSet,
  type Qos,
  type Route,
  type Rule,
  type State,
  StateSchema,
  stateJsonSchema,
  type Timeouts,
  type Vni,
  type Vrf,
} from "./dataplane/schema/index.ts";
export type { Tables } from "./dataplane/status.ts";
export type { Table, TableEntry } from "./dataplane/table.ts";
export type { PacketFields, TcpFlag } from "./dataplane/trace/frame.ts";
export type { Trace, TraceOutput, TraceStep, TraceVerdict } from "./dataplane/trace/types.ts";
export type { Transaction, TransactionOptions } from "./dataplane/transaction.ts";
export type { TableUsage, Usage } from "./dataplane/usage.ts";
export { WeirError, type WeirErrorInit } from "./errors.ts";
export { type DropReason, dropReasons, type TrapReason, trapReasons } from "./layout/index.ts";
