// SPDX-License-Identifier: Apache-2.0
/** Nodes that Linux connects by its own VXLAN: both (`kernel-vxlan`), or the far one only (`mixed-vxlan`). */

import { fabricEnd, type LabNode, type NodesOptions, nodes, podLinks, unconnected } from "./nodes.ts";
import { GATEWAY4, GATEWAY6 } from "./pod.ts";
import type { Topology, TopologyDevice, TopologyNeighbour, TopologyRoute, TopologyVxlan } from "./topology.ts";

/** Segment that bridges the pods' network from node to node. */
export const BRIDGED_VNI = 77;

/** Segment between routers, in the mixed topology. */
export const ROUTED_VNI = 78;

/** MAC of Weir's gateways unless a node says otherwise. */
export const GATEWAY_MAC = "00:00:5e:00:01:00";

/** What `n2` of the mixed topology is in the routed segment: a host of its own, which routes by Weir's gateway. */
export const routedHost = {
  device: "vx78",
  /** What a tunnel to it needs as `routerMac`: a VXLAN device drops frames that come from its own MAC. */
  mac: "02:00:00:00:02:78",
  ipv4: "10.98.2.1",
  ipv6: "fd00:98::2:1",
} as const;

function vxlan(near: LabNode, far: LabNode, vni: number, o: NodesOptions): TopologyVxlan {
  const underlay = o.underlay === 6 ? "underlay6" : "underlay4";
  return {
    kind: "vxlan",
    namespace: near.name,
    device: `vx${vni}`,
    parent: "f0",
    vni,
    local: near[underlay],
    remote: far[underlay],
    mtu: o.mtu ?? 1500,
    linkLocal: false,
  };
}

/** A bridge with the node's end of the segment in it; the pods' devices join as `podLinks` says. */
function bridgeWithTunnel(near: LabNode, far: LabNode, o: NodesOptions): TopologyDevice[] {
  return [
    { kind: "bridge", namespace: near.name, device: "br0", linkLocal: false },
    { ...vxlan(near, far, BRIDGED_VNI, o), master: "br0" },
  ];
}

/** The pods of both nodes on one network, bridged over the kernel's own VXLAN: what a data plane is measured against. */
export function kernelVxlanTopology(o: NodesOptions = {}): Topology {
  const { n1, n2 } = nodes;
  const bridged = { ...o, bridged: true };
  return {
    ...unconnected("kernel-vxlan", bridged),
    links: [
      ...podLinks(n1, bridged, "br0"),
      ...podLinks(n2, bridged, "br0"),
      { ends: [fabricEnd(n1, o), fabricEnd(n2, o)] },
    ],
    devices: [...bridgeWithTunnel(n1, n2, o), ...bridgeWithTunnel(n2, n1, o)],
  };
}

/**
 * `n1` is left to a data plane, `n2` is plain Linux: its pods are bridged into VNI 77, and it is itself a host
 * in VNI 78 that reaches the pods of `n1` by their gateway's MAC.
 */
export function mixedVxlanTopology(o: NodesOptions = {}): Topology {
  const { n1, n2 } = nodes;
  const bridged = { ...o, bridged: true };
  const base = unconnected("mixed-vxlan", bridged);
  const { device, mac, ipv4, ipv6 } = routedHost;
  const far = { namespace: n2.name, device };
  const gateways: TopologyNeighbour[] = [GATEWAY4, GATEWAY6].map((address) => ({ ...far, address, mac: GATEWAY_MAC }));
  const routes: TopologyRoute[] = [
    { ...far, destination: "10.97.1.0/24", gateway: GATEWAY4, onlink: true, preferredSource: ipv4 },
    { ...far, destination: "fd00:97::1:0/112", gateway: GATEWAY6, onlink: true, preferredSource: ipv6 },
  ];
  return {
    ...base,
    links: [...podLinks(n1, bridged), ...podLinks(n2, bridged, "br0"), { ends: [fabricEnd(n1, o), fabricEnd(n2, o)] }],
    devices: [
      ...bridgeWithTunnel(n2, n1, o),
      { ...vxlan(n2, n1, ROUTED_VNI, o), mac, addresses: [`${ipv4}/32`, `${ipv6}/128`] },
    ],
    neighbours: gateways,
    routes: [...base.routes, ...routes],
  };
}
