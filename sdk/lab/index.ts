// SPDX-License-Identifier: Apache-2.0
/**
 * `weir/lab`: labs of network namespaces on one machine, for tests, examples and demonstrations. Needs root.
 *
 * @module
 */

export { DEFAULT_PREFIX, Lab, type LabOptions } from "./lab.ts";
export type { PingOptions, PingResult } from "./ping.ts";
export {
  builtInTopology,
  GATEWAY4,
  GATEWAY6,
  NODE,
  type Pod,
  type PodsOptions,
  pods,
  podsTopology,
  routedTopology,
  type TopologyName,
  topologyNames,
} from "./pods.ts";
export type { ExecOptions, ExecResult, LabProcess } from "./process.ts";
export type { LinkEnd, Topology, TopologyLink, TopologyNamespace, TopologyRoute } from "./topology.ts";
export { type WaitOptions, waitFor } from "./wait.ts";
