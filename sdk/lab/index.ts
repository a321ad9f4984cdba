// SPDX-License-Identifier: Apache-2.0
/**
 * `weir/lab`: labs of network namespaces on one machine, for tests, examples and demonstrations. Needs root.
 *
 * @module
 */

export { builtInTopology, type TopologyName, topologyNames } from "./catalogue.ts";
export { DEFAULT_PREFIX, Lab, type LabOptions } from "./lab.ts";
export { bothNodes, type LabNode, type NodesOptions, nodes, twoNodesTopology } from "./nodes.ts";
export { outsideHost, outsideTopology } from "./outside.ts";
export type { PingOptions, PingResult } from "./ping.ts";
export { GATEWAY4, GATEWAY6, type Pod, type PodsOptions } from "./pod.ts";
export { NODE, pods, podsTopology, routedTopology } from "./pods.ts";
export type { ExecOptions, ExecResult, LabProcess } from "./process.ts";
export type {
  DeviceProperties,
  LinkEnd,
  Topology,
  TopologyBridge,
  TopologyDevice,
  TopologyLink,
  TopologyNamespace,
  TopologyNeighbour,
  TopologyNextHop,
  TopologyRoute,
  TopologyVxlan,
} from "./topology.ts";
export { ROUTER, twoUplinksTopology } from "./uplinks.ts";
export {
  BRIDGED_VNI,
  GATEWAY_MAC,
  kernelVxlanTopology,
  mixedVxlanTopology,
  ROUTED_VNI,
  routedHost,
} from "./vxlan.ts";
export { type WaitOptions, waitFor } from "./wait.ts";
