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

export type { FlowMissOptions } from "./dataplane/controller/flow_miss.ts";
export type { FlowMissModule, ModuleLocation } from "./dataplane/controller/handler_module.ts";
export type { HandlerFailures } from "./dataplane/controller/handlers.ts";
export type { InjectAs } from "./dataplane/controller/inject.ts";
export type { FlowMiss, FlowMissHandler } from "./dataplane/controller/miss.ts";
export type { PacketMatch } from "./dataplane/controller/packet_match.ts";
export type { Packet, PacketHandler, PacketOptions } from "./dataplane/controller/packets.ts";
export type { Verdict } from "./dataplane/controller/verdict.ts";
export type { Committed, Plan } from "./dataplane/core.ts";
export { type ApplyOptions, DataPlane, type FlowTable } from "./dataplane/dataplane.ts";
export { type AttachedProgram, attachedPrograms, type Neighbour } from "./dataplane/device/attached_programs.ts";
export type { InterfaceStatus } from "./dataplane/device/live.ts";
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
export {
  type DataPlaneEvent,
  type DropSample,
  type EventKind,
  type EventOptions,
  eventKinds,
  type FlowEnd,
  type InterfaceChange,
} from "./dataplane/events/events.ts";
export type { TranslatedEnd, Translation } from "./dataplane/flows/translation.ts";
export type { FlowTreatment, ReverseTreatment } from "./dataplane/flows/treatment.ts";
export type { Flow, FlowKey, FlowResult, FlowSelector, FlowSetting } from "./dataplane/flows/types.ts";
export type { HostStatus } from "./dataplane/host/host_network.ts";
export { type OpenOptions, openOptionsOf } from "./dataplane/instance/options.ts";
export { type DestroyOptions, destroyInstance } from "./dataplane/instance/remove_instance.ts";
export type { GuardStatus } from "./dataplane/kernel/guard_table.ts";
export type { PolicerDrops } from "./dataplane/kernel/policer_table.ts";
export type { ClassMarks } from "./dataplane/kernel/qos_record.ts";
export type { KernelRoutesStatus } from "./dataplane/kernel_routes/mirrored_vrf.ts";
export type { IgnoredReason } from "./dataplane/kernel_routes/target.ts";
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
  type HostService,
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
export type { Change } from "./dataplane/state/change.ts";
export type { Transaction, TransactionOptions } from "./dataplane/state/transaction.ts";
export type {
  DropCount,
  InterfaceCounters,
  MirrorCounters,
  TunnelCounters,
  VrfCounters,
} from "./dataplane/status/counters.ts";
export type { DropGroup } from "./dataplane/status/drops.ts";
export type { Tables } from "./dataplane/status/status.ts";
export type { Table, TableEntry } from "./dataplane/status/table.ts";
export type { TableUsage, Usage } from "./dataplane/status/usage.ts";
export type { PacketFields, TcpFlag } from "./dataplane/trace/frame.ts";
export type { Trace, TraceOutput, TraceStep, TraceVerdict } from "./dataplane/trace/types.ts";
export { WeirError, type WeirErrorInit } from "./errors.ts";
export { type DropReason, dropReasons, type TrapReason, trapReasons } from "./layout/index.ts";
