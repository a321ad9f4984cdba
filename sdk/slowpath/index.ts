// SPDX-License-Identifier: Apache-2.0
/** The slow path: packets that the kernel cannot decide on alone are decided, answered and sent on here. */

export type { AskedFlow } from "./asked_flow.ts";
export type { AskHandler, TrapHandler } from "./deliveries.ts";
export type { SlowPathDrop } from "./drop_counts.ts";
export type { DropEvent, PacketKey, SlowPathEvent, TrappedPacket } from "./events.ts";
export type { FlowReview } from "./flow_review.ts";
export { DEFAULT_FRAMES } from "./host_options.ts";
export type { JudgedPacket, Judgement } from "./judge.ts";
export { compileAddressSets } from "./policy/address_sets.ts";
export { compilePolicy, PolicyCompiler } from "./policy/compiler.ts";
export {
  familyOfProtocol,
  parseNetwork,
  parsePorts,
  parseProtocol,
  type Range,
} from "./policy/match_fields.ts";
export { type HostServiceInput, ServiceImages } from "./policy/services.ts";
export type {
  CompiledPolicy,
  DefaultAction,
  DirectionName,
  PeerInput,
  PolicyCompilerInput,
  PolicyImage,
  PolicyInput,
  PolicyRoom,
  PolicyRuleInput,
  RuleActionName,
  RuleReference,
} from "./policy/types.ts";
export { bytesOf } from "./policy/types.ts";
export type { PortStatistics } from "./port_table.ts";
export { SlowPath, type SlowPathStatistics } from "./slowpath.ts";
export type { MappableTable } from "./table_mapping.ts";
export type {
  AskOptions,
  AskVerdict,
  DirectPort,
  InjectAs,
  SlowPathCounters,
  SlowPathLimits,
  SlowPathMaps,
  SlowPathOptions,
  SocketMap,
  TrapDevice,
  WorkerScheduling,
} from "./types.ts";
export { serveWorker, type WorkerHandler, type WorkerPort } from "./worker_loop.ts";
