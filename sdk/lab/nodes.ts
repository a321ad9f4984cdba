// SPDX-License-Identifier: Apache-2.0
/** Two nodes with two pods each and a fabric between them, for Weir to connect (`two-nodes`). */

import { deviceOptions, type Pod, type PodsOptions, podEnd, podNamespace, podRoutes, quietIpv6 } from "./pod.ts";
import type { LinkEnd, Topology, TopologyLink } from "./topology.ts";

/** A node of the topologies with several nodes. */
export interface LabNode {
  /** Namespace within the lab. */
  readonly name: string;
  /** Where tunnels to it end. */
  readonly underlay4: string;
  readonly underlay6: string;
  /** MAC of its fabric device `f0`. */
  readonly fabricMac: string;
  readonly pods: readonly [Pod, Pod];
}

function pod(node: number, letter: string, number: number): Pod {
  return {
    name: `${letter}${node}`,
    device: `v${letter}${node}`,
    mac: `02:00:00:00:0${node}:0${number}`,
    ipv4: `10.97.${node}.${number}`,
    ipv6: `fd00:97::${node}:${number}`,
  };
}

function node(number: number): LabNode {
  return {
    name: `n${number}`,
    underlay4: `192.0.2.${number}`,
    underlay6: `2001:db8::${number}`,
    fabricMac: `02:00:00:00:f0:0${number}`,
    pods: [pod(number, "a", 1), pod(number, "b", 2)],
  };
}

/** The nodes by name. Pods `a1` and `b1` are on `n1`, `a2` and `b2` on `n2`. */
export const nodes = { n1: node(1), n2: node(2) } as const;

/** The same in order. */
export const bothNodes: readonly [LabNode, LabNode] = [nodes.n1, nodes.n2];

/** Choices that the topologies with several nodes leave. */
export interface NodesOptions extends PodsOptions {
  /** MTU of the fabric. Default: the pods' and 100, so that every encapsulation fits. */
  readonly fabricMtu?: number;
  /** All pods are on one network, 10.97.0.0/16 and fd00:97::/64, and ask for each other's MACs. Default false. */
  readonly bridged?: boolean;
  /** Family of the tunnels that the kernel makes. Default 4. */
  readonly underlay?: 4 | 6;
}

/** MTU of the fabric. */
export function fabricMtu(o: NodesOptions): number {
  return o.fabricMtu ?? (o.mtu ?? 1500) + 100;
}

/** A node's end of the link between both nodes. */
export function fabricEnd({ name, underlay4, underlay6, fabricMac }: LabNode, o: NodesOptions): LinkEnd {
  const addresses = [`${underlay4}/24`, `${underlay6}/64`];
  return { namespace: name, device: "f0", mac: fabricMac, addresses, ...deviceOptions(o), mtu: fabricMtu(o) };
}

/** The links of a node's pods; the node's ends have no addresses. */
export function podLinks(node: LabNode, o: NodesOptions, master?: string): TopologyLink[] {
  const lengths = o.bridged === true ? ([16, 64] as const) : ([32, 128] as const);
  return node.pods.map((pod) => ({
    ends: [
      {
        namespace: node.name,
        device: pod.device,
        linkLocal: false,
        ...(master === undefined ? {} : { master }),
        ...deviceOptions(o),
      },
      podEnd(pod, o, ...lengths),
    ],
  }));
}

/** Pods and nodes without anything between the nodes. */
export function unconnected(name: string, o: NodesOptions): Required<Omit<Topology, "devices" | "neighbours">> {
  const pods = bothNodes.flatMap((node) => node.pods);
  return {
    name,
    namespaces: [...bothNodes.map(({ name }) => ({ name, sysctls: quietIpv6 })), ...pods.map(podNamespace)],
    links: bothNodes.flatMap((node) => podLinks(node, o)),
    routes: pods.flatMap(podRoutes),
  };
}

/**
 * Nodes `n1` and `n2`, connected by their devices `f0`, on which the underlay addresses are. The nodes do not
 * forward: that is left to a data plane.
 */
export function twoNodesTopology(o: NodesOptions = {}): Topology {
  const base = unconnected("two-nodes", o);
  return { ...base, links: [...base.links, { ends: [fabricEnd(nodes.n1, o), fabricEnd(nodes.n2, o)] }] };
}
