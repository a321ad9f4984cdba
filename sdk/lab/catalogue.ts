// SPDX-License-Identifier: Apache-2.0
/** The built-in topologies by name. */

import { WeirError } from "../errors.ts";
import { type NodesOptions, twoNodesTopology } from "./nodes.ts";
import { outsideTopology } from "./outside.ts";
import { podsTopology, routedTopology } from "./pods.ts";
import type { Topology } from "./topology.ts";
import { twoUplinksTopology } from "./uplinks.ts";
import { kernelVxlanTopology, mixedVxlanTopology } from "./vxlan.ts";

const builders = {
  pods: podsTopology,
  routed: routedTopology,
  "two-nodes": twoNodesTopology,
  "two-uplinks": twoUplinksTopology,
  outside: outsideTopology,
  "kernel-vxlan": kernelVxlanTopology,
  "mixed-vxlan": mixedVxlanTopology,
} as const satisfies Record<string, (o?: NodesOptions) => Topology>;

/** Name of a built-in topology. */
export type TopologyName = keyof typeof builders;

/** Names of the built-in topologies. */
export const topologyNames = Object.keys(builders) as readonly TopologyName[];

/** A built-in topology by name. @throws WeirError `ENOENT` */
export function builtInTopology(name: string, o: NodesOptions = {}): Topology {
  const known = topologyNames.find((candidate) => candidate === name);
  if (known !== undefined) return builders[known](o);
  throw new WeirError({
    code: "ENOENT",
    operation: `use topology "${name}"`,
    reason: "there is no such topology",
    hint: `choose one of ${topologyNames.join(", ")}`,
  });
}
