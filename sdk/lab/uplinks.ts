// SPDX-License-Identifier: Apache-2.0
/** Two nodes with two fabric links each and a router between them (`two-uplinks`). */

import { bothNodes, fabricMtu, type LabNode, type NodesOptions, unconnected } from "./nodes.ts";
import { deviceOptions, forwarding, quietIpv6 } from "./pod.ts";
import type { LinkEnd, Topology, TopologyLink, TopologyNextHop, TopologyRoute } from "./topology.ts";

/** The namespace that plays the router. */
export const ROUTER = "router";

/** Numbers of a node's uplinks, and of their devices `f0` and `f1`. */
const UPLINKS = [0, 1] as const;

/** Flows, not destinations, are spread over the ways; a way without carrier is none. */
const multipath = {
  "net.ipv4.fib_multipath_hash_policy": 1,
  "net.ipv6.fib_multipath_hash_policy": 1,
  "net.ipv4.conf.all.ignore_routes_with_linkdown": 1,
  "net.ipv6.conf.all.ignore_routes_with_linkdown": 1,
  "net.ipv4.conf.all.rp_filter": 0,
  "net.ipv4.conf.default.rp_filter": 0,
};

/** One uplink: a network of its own, on which the router is .1 (or ::1) and the node is .2. */
interface Uplink {
  readonly node: LabNode;
  readonly nodeDevice: string;
  readonly routerDevice: string;
  readonly mac: string;
  readonly routerMac: string;
  readonly network4: string;
  readonly network6: string;
}

function uplink(node: LabNode, number: number): Uplink {
  const position = bothNodes.indexOf(node) + 1;
  return {
    node,
    nodeDevice: `f${number}`,
    routerDevice: `${node.name}f${number}`,
    mac: `02:00:00:00:f${number}:0${position}`,
    routerMac: `02:00:00:01:f${number}:0${position}`,
    network4: `198.18.${position}${number}.`,
    network6: `2001:db8:${position}:${number}::`,
  };
}

function linkOf(uplink: Uplink, o: NodesOptions): TopologyLink {
  const end = (host: number): Omit<LinkEnd, "namespace" | "device"> => ({
    addresses: [`${uplink.network4}${host}/24`, `${uplink.network6}${host}/64`],
    ...deviceOptions(o),
    mtu: fabricMtu(o),
  });
  return {
    ends: [
      { namespace: uplink.node.name, device: uplink.nodeDevice, mac: uplink.mac, ...end(2) },
      { namespace: ROUTER, device: uplink.routerDevice, mac: uplink.routerMac, ...end(1) },
    ],
  };
}

/** Routes over both uplinks of a node: to it, or from it to the other one. */
function routesOver(
  namespace: string,
  to: LabNode,
  hops: (network: "network4" | "network6") => TopologyNextHop[],
  from?: LabNode,
): TopologyRoute[] {
  const source = (preferredSource: string | undefined) => (preferredSource === undefined ? {} : { preferredSource });
  return [
    {
      namespace,
      destination: `${to.underlay4}/32`,
      nextHops: hops("network4"),
      ...source(from?.underlay4),
    },
    {
      namespace,
      destination: `${to.underlay6}/128`,
      nextHops: hops("network6"),
      ...source(from?.underlay6),
    },
  ];
}

/**
 * As `two-nodes`, but each node reaches the other's underlay address, which is on the loopback, by `f0` and by
 * `f1`, in equal shares, through the namespace `router`.
 */
export function twoUplinksTopology(o: NodesOptions = {}): Topology {
  const base = unconnected("two-uplinks", o);
  const uplinks = bothNodes.map((node) => UPLINKS.map((number) => uplink(node, number)));
  const routes = bothNodes.flatMap((node, position) => {
    const own = uplinks[position] ?? [];
    const other = bothNodes[1 - position] ?? node;
    return [
      ...routesOver(
        node.name,
        other,
        (network) => own.map((up) => ({ device: up.nodeDevice, gateway: `${up[network]}1` })),
        node,
      ),
      ...routesOver(ROUTER, node, (network) =>
        own.map((up) => ({ device: up.routerDevice, gateway: `${up[network]}2` })),
      ),
    ];
  });
  const addressesOf = (name: string) => {
    const node = bothNodes.find((one) => one.name === name);
    return node === undefined
      ? {}
      : { sysctls: { ...quietIpv6, ...multipath }, addresses: [`${node.underlay4}/32`, `${node.underlay6}/128`] };
  };
  return {
    ...base,
    namespaces: [
      ...base.namespaces.map((namespace) => ({ ...namespace, ...addressesOf(namespace.name) })),
      { name: ROUTER, sysctls: { ...forwarding, ...multipath } },
    ],
    links: [...base.links, ...uplinks.flat().map((up) => linkOf(up, o))],
    routes: [...base.routes, ...routes],
  };
}
