// SPDX-License-Identifier: Apache-2.0
/** The built-in topologies: three pods on one node, for Weir to connect (`pods`) or connected by Linux (`routed`). */

import { WeirError } from "../errors.ts";
import type { LinkEnd, Topology, TopologyLink, TopologyNamespace, TopologyRoute } from "./topology.ts";

/** The namespace that plays the node. */
export const NODE = "node";

/** The gateway that pods send to, whoever answers for it; Weir's defaults. */
export const GATEWAY4 = "169.254.1.1";
export const GATEWAY6 = "fe80::1";

/** A pod of the built-in topologies: a namespace with `eth0`. */
export interface Pod {
  /** Namespace within the lab. */
  readonly name: string;
  /** The node's end of its link. */
  readonly device: string;
  readonly mac: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

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

/** Choices that the built-in topologies leave. */
export interface PodsOptions {
  /** Receive and transmit queues of each device. Default 1. */
  readonly queues?: number;
  /** MTU of each device. Default 1500. */
  readonly mtu?: number;
}

const quietIpv6 = {
  "net.ipv6.conf.all.disable_ipv6": 0,
  "net.ipv6.conf.default.disable_ipv6": 0,
  // Addresses are usable at once, and nobody advertises routers.
  "net.ipv6.conf.default.accept_dad": 0,
  "net.ipv6.conf.default.dad_transmits": 0,
  "net.ipv6.conf.default.accept_ra": 0,
};

function podNamespace({ name }: Pod): TopologyNamespace {
  return { name, sysctls: quietIpv6 };
}

function podEnd(pod: Pod, o: PodsOptions): LinkEnd {
  return {
    namespace: pod.name,
    device: "eth0",
    mac: pod.mac,
    addresses: [`${pod.ipv4}/32`, `${pod.ipv6}/128`],
    ...o,
  };
}

/** A pod has its own address only; all else is behind the gateway, on no shared network. */
function podRoutes({ name }: Pod): TopologyRoute[] {
  const eth0 = { namespace: name, device: "eth0" };
  return [
    { ...eth0, destination: `${GATEWAY4}/32` },
    { ...eth0, destination: "0.0.0.0/0", gateway: GATEWAY4 },
    { ...eth0, destination: "::/0", gateway: GATEWAY6 },
  ];
}

const all: readonly Pod[] = Object.values(pods);

/**
 * Pods `a`, `b`, `c`, each linked to the namespace `node` by `va`, `vb`, `vc`. The node's ends have no
 * addresses and the node does not forward: that is left to a data plane.
 */
export function podsTopology(o: PodsOptions = {}): Topology {
  const nodeEnd = ({ device }: Pod): LinkEnd => ({ namespace: NODE, device, linkLocal: false, ...o });
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
    ...o,
  });
  const nodeRoutes = (pod: Pod): TopologyRoute[] =>
    [`${pod.ipv4}/32`, `${pod.ipv6}/128`].map((destination) => ({
      namespace: NODE,
      destination,
      device: pod.device,
    }));
  const forwarding = {
    ...quietIpv6,
    "net.ipv4.ip_forward": 1,
    "net.ipv6.conf.all.forwarding": 1,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
  };
  return {
    name: "routed",
    namespaces: [{ name: NODE, sysctls: forwarding }, ...all.map(podNamespace)],
    links: all.map((pod): TopologyLink => ({ ends: [nodeEnd(pod), podEnd(pod, o)] })),
    routes: all.flatMap((pod) => [...podRoutes(pod), ...nodeRoutes(pod)]),
  };
}

const builders = { pods: podsTopology, routed: routedTopology } as const;

/** Name of a built-in topology. */
export type TopologyName = keyof typeof builders;

/** Names of the built-in topologies. */
export const topologyNames: readonly TopologyName[] = ["pods", "routed"];

/** A built-in topology by name. @throws WeirError `ENOENT` */
export function builtInTopology(name: string, o: PodsOptions = {}): Topology {
  const known = topologyNames.find((candidate) => candidate === name);
  if (known !== undefined) return builders[known](o);
  throw new WeirError({
    code: "ENOENT",
    operation: `use topology "${name}"`,
    reason: "there is no such topology",
    hint: `choose one of ${topologyNames.join(", ")}`,
  });
}
