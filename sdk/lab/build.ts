// SPDX-License-Identifier: Apache-2.0
/** Makes what a topology describes. */

import { runtime } from "#runtime";
import { WeirError } from "../errors.ts";
import { Ethtool, Netlink } from "../netlink/index.ts";
import { poll } from "../runtime/libc.ts";
import { createNamespace, setSysctls } from "./namespace.ts";
import type { LinkEnd, Topology, TopologyLink, TopologyRoute } from "./topology.ts";

/** Duplicate address detection takes up to two seconds where a topology does not turn it off. */
const ADDRESS_TIMEOUT_MS = 3000;

/** Makes all of a topology; what was made before a failure stays, for the caller to remove. */
export function buildTopology(topology: Topology, prefix: string): void {
  for (const { name, sysctls } of topology.namespaces) {
    createNamespace(prefix + name);
    if (sysctls !== undefined) setSysctls(prefix + name, sysctls);
  }
  for (const link of topology.links) addPair(link, prefix);
  // Both ends up before addresses: without carrier an IPv6 address stays tentative.
  for (const end of topology.links.flatMap((link) => link.ends)) configure(end, prefix);
  for (const route of topology.routes ?? []) addRoute(route, prefix);
  awaitAddresses(topology, prefix);
}

function addPair({ ends: [near, far] }: TopologyLink, prefix: string): void {
  const properties = (end: LinkEnd) => ({
    name: end.device,
    mac: end.mac,
    mtu: end.mtu,
    rxQueues: end.queues,
    txQueues: end.queues,
  });
  using netlink = Netlink.open({ netns: prefix + near.namespace });
  netlink.addLink({
    kind: "veth",
    ...properties(near),
    peer: { ...properties(far), netns: prefix + far.namespace },
  });
  bringUp(near, prefix);
  bringUp(far, prefix);
}

function bringUp(end: LinkEnd, prefix: string): void {
  const netns = prefix + end.namespace;
  using netlink = Netlink.open({ netns });
  netlink.setLink(end.device, { up: true, addressGeneration: end.linkLocal === false ? "none" : "eui64" });
  if (end.features === undefined) return;
  using ethtool = Ethtool.open({ netns });
  ethtool.setFeatures(end.device, end.features);
}

function configure(end: LinkEnd, prefix: string): void {
  using netlink = Netlink.open({ netns: prefix + end.namespace });
  const ifindex = indexOf(netlink, end.device);
  for (const address of end.addresses ?? []) {
    netlink.addAddress({ ifindex, address, noDad: true });
  }
}

function addRoute(route: TopologyRoute, prefix: string): void {
  using netlink = Netlink.open({ netns: prefix + route.namespace });
  netlink.addRoute({
    destination: route.destination,
    ifindex: indexOf(netlink, route.device),
    gateway: route.gateway,
    onlink: route.onlink,
  });
}

function indexOf(netlink: Netlink, device: string): number {
  const link = netlink.link(device);
  if (link !== undefined) return link.index;
  throw new WeirError({ code: "ENODEV", operation: `configure "${device}"`, reason: "it was removed meanwhile" });
}

/**
 * The kernel makes link-local addresses usable a little later, from a work queue; packets before would be
 * lost. Waits without the event loop, so that a lab is made in one call.
 */
function awaitAddresses(topology: Topology, prefix: string): void {
  const deadline = performance.now() + ADDRESS_TIMEOUT_MS;
  const nothing = runtime.alloc(8);
  for (const { name } of topology.namespaces) {
    using netlink = Netlink.open({ netns: prefix + name });
    while (netlink.addresses({ family: 6 }).some((address) => address.tentative && !address.duplicate)) {
      if (performance.now() > deadline) return;
      poll(nothing, 0, 1);
    }
  }
}
