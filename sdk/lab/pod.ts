// SPDX-License-Identifier: Apache-2.0
/** Pods of the built-in topologies, and what their namespaces have in common. */

import type { LinkEnd, TopologyNamespace, TopologyRoute } from "./topology.ts";

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

/** Choices that the built-in topologies leave. */
export interface PodsOptions {
  /** Receive and transmit queues of each device. Default 1. */
  readonly queues?: number;
  /** MTU of each pod's device. Default 1500. */
  readonly mtu?: number;
}

/** IPv6 without what disturbs a measurement: addresses are usable at once, and nobody advertises routers. */
export const quietIpv6 = {
  "net.ipv6.conf.all.disable_ipv6": 0,
  "net.ipv6.conf.default.disable_ipv6": 0,
  "net.ipv6.conf.default.accept_dad": 0,
  "net.ipv6.conf.default.dad_transmits": 0,
  "net.ipv6.conf.default.accept_ra": 0,
  // Groups are reported (RFC 3810) within a millisecond, not at any time of the first second.
  "net.ipv6.conf.default.mldv2_unsolicited_report_interval": 1,
};

/** Settings of a namespace that Linux routes in. */
export const forwarding = {
  ...quietIpv6,
  "net.ipv4.ip_forward": 1,
  "net.ipv6.conf.all.forwarding": 1,
  "net.ipv4.conf.all.rp_filter": 0,
  "net.ipv4.conf.default.rp_filter": 0,
};

/** A pod's namespace. */
export function podNamespace({ name }: Pod): TopologyNamespace {
  return { name, sysctls: quietIpv6 };
}

/** What both ends of a pod's link are given. */
export function deviceOptions({ queues, mtu }: PodsOptions): Pick<LinkEnd, "queues" | "mtu"> {
  return { ...(queues === undefined ? {} : { queues }), ...(mtu === undefined ? {} : { mtu }) };
}

/** A pod's end of its link. Without prefix lengths it has its own addresses only, on no shared network. */
export function podEnd(pod: Pod, o: PodsOptions, length4 = 32, length6 = 128): LinkEnd {
  return {
    namespace: pod.name,
    device: "eth0",
    mac: pod.mac,
    addresses: [`${pod.ipv4}/${length4}`, `${pod.ipv6}/${length6}`],
    ...deviceOptions(o),
  };
}

/** All that is not on the pod's own network is behind the gateway. */
export function podRoutes({ name }: Pod): TopologyRoute[] {
  const eth0 = { namespace: name, device: "eth0" };
  return [
    { ...eth0, destination: `${GATEWAY4}/32` },
    { ...eth0, destination: "0.0.0.0/0", gateway: GATEWAY4 },
    { ...eth0, destination: "::/0", gateway: GATEWAY6 },
  ];
}
