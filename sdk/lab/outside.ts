// SPDX-License-Identifier: Apache-2.0
/** Two nodes, and a host outside that a node is linked to by plain IP (`outside`). */

import { fabricMtu, type NodesOptions, nodes, twoNodesTopology } from "./nodes.ts";
import { deviceOptions, quietIpv6 } from "./pod.ts";
import type { Topology } from "./topology.ts";

/** The host outside: a namespace with `eth0`, linked to `x0` of node `n1`. */
export const outsideHost = {
  name: "out",
  mac: "02:00:00:00:0e:02",
  ipv4: "198.51.100.2",
  ipv6: "2001:db8:51::2",
  /** The node's device and its addresses on the network between them, 198.51.100.0/24 and 2001:db8:51::/64. */
  nodeDevice: "x0",
  nodeMac: "02:00:00:00:0e:01",
  node4: "198.51.100.1",
  node6: "2001:db8:51::1",
} as const;

/** As `two-nodes`, with a host behind `n1` that knows its way to the pods. */
export function outsideTopology(o: NodesOptions = {}): Topology {
  const base = twoNodesTopology(o);
  const { name, mac, ipv4, ipv6, nodeDevice, nodeMac, node4, node6 } = outsideHost;
  const eth0 = { namespace: name, device: "eth0" };
  const options = { ...deviceOptions(o), mtu: fabricMtu(o) };
  return {
    ...base,
    name: "outside",
    namespaces: [...base.namespaces, { name, sysctls: quietIpv6 }],
    links: [
      ...base.links,
      {
        ends: [
          {
            namespace: nodes.n1.name,
            device: nodeDevice,
            mac: nodeMac,
            addresses: [`${node4}/24`, `${node6}/64`],
            ...options,
          },
          { ...eth0, mac, addresses: [`${ipv4}/24`, `${ipv6}/64`], ...options },
        ],
      },
    ],
    routes: [
      ...(base.routes ?? []),
      { ...eth0, destination: "10.97.0.0/16", gateway: node4 },
      { ...eth0, destination: "fd00:97::/64", gateway: node6 },
    ],
  };
}
