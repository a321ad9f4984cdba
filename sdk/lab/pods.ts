// SPDX-License-Identifier: Apache-2.0
/** Three pods on one node, for Weir to connect (`pods`) or connected by Linux (`routed`). */

import {
  deviceOptions,
  forwarding,
  GATEWAY4,
  GATEWAY6,
  type Pod,
  type PodsOptions,
  podEnd,
  podNamespace,
  podRoutes,
  quietIpv6,
} from "./pod.ts";
import type { LinkEnd, Topology, TopologyLink, TopologyRoute } from "./topology.ts";

/** The namespace that plays the node. */
export const NODE = "node";

function pod(name: string, number: number): Pod {
  return {
    name,
    device: `v${name}`,
    mac: `02:00:00:00:01:0${number}`,
    ipv4: `10.97.0.${number}`,
    ipv6: `fd00:97::${number}`,
  };
}

/** The pods by name. */
export const pods = { a: pod("a", 1), b: pod("b", 2), c: pod("c", 3) } as const;

const all: readonly Pod[] = Object.values(pods);

/**
 * Pods `a`, `b`, `c`, each linked to the namespace `node` by `va`, `vb`, `vc`. The node's ends have no
 * addresses and the node does not forward: that is left to a data plane.
 */
export function podsTopology(o: PodsOptions = {}): Topology {
  const nodeEnd = ({ device }: Pod): LinkEnd => ({ namespace: NODE, device, linkLocal: false, ...deviceOptions(o) });
  return {
    name: "pods",
    namespaces: [{ name: NODE, sysctls: quietIpv6 }, ...all.map(podNamespace)],
    links: all.map((pod): TopologyLink => ({ ends: [nodeEnd(pod), podEnd(pod, o)] })),
    routes: all.flatMap(podRoutes),
  };
}

/** The same pods with Linux's own routing on the node: what a data plane is measured against. */
export function routedTopology(o: PodsOptions = {}): Topology {
  const nodeEnd = ({ device }: Pod): LinkEnd => ({
    namespace: NODE,
    device,
    addresses: [`${GATEWAY4}/32`, `${GATEWAY6}/64`],
    linkLocal: false,
    ...deviceOptions(o),
  });
  const nodeRoutes = (pod: Pod): TopologyRoute[] =>
    [`${pod.ipv4}/32`, `${pod.ipv6}/128`].map((destination) => ({
      namespace: NODE,
      destination,
      device: pod.device,
    }));
  return {
    name: "routed",
    namespaces: [{ name: NODE, sysctls: forwarding }, ...all.map(podNamespace)],
    links: all.map((pod): TopologyLink => ({ ends: [nodeEnd(pod), podEnd(pod, o)] })),
    routes: all.flatMap((pod) => [...podRoutes(pod), ...nodeRoutes(pod)]),
  };
}
