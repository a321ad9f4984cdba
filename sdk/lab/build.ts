// SPDX-License-Identifier: Apache-2.0
/** Makes what a topology describes. */

import { runtime } from "#runtime";
import { WeirError } from "../errors.ts";
import { Ethtool, Netlink } from "../netlink/index.ts";
import { poll } from "../runtime/libc.ts";
import { devicesOf } from "./check.ts";
import { createNamespace, setSysctls } from "./namespace.ts";
import type {
  DeviceProperties,
  LinkEnd,
  Topology,
  TopologyDevice,
  TopologyLink,
  TopologyNeighbour,
  TopologyRoute,
} from "./topology.ts";

/** Duplicate address detection takes up to two seconds where a topology does not turn it off. */
const ADDRESS_TIMEOUT_MS = 3000;

/** Makes all of a topology; what was made before a failure stays, for the caller to remove. */
export function buildTopology(topology: Topology, prefix: string): void {
  for (const { name, sysctls } of topology.namespaces) {
    createNamespace(prefix + name);
    if (sysctls !== undefined) setSysctls(prefix + name, sysctls);
  }
  const devices = topology.devices ?? [];
  for (const device of devices.filter(({ kind }) => kind === "bridge")) addDevice(device, prefix);
  for (const link of topology.links) addPair(link, prefix);
  for (const device of devices.filter(({ kind }) => kind !== "bridge")) addDevice(device, prefix);
  // Both ends up before addresses: without carrier an IPv6 address stays tentative.
  for (const { name, addresses } of topology.namespaces) {
    if (addresses !== undefined) addAddresses({ namespace: name, device: "lo", addresses }, prefix);
  }
  for (const device of devicesOf(topology)) addAddresses(device, prefix);
  for (const neighbour of topology.neighbours ?? []) addNeighbour(neighbour, prefix);
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
  for (const end of [near, far]) {
    bringUp(end, prefix);
    if (end.features === undefined) continue;
    using ethtool = Ethtool.open({ netns: prefix + end.namespace });
    ethtool.setFeatures(end.device, end.features);
  }
}

function addDevice(device: TopologyDevice, prefix: string): void {
  using netlink = Netlink.open({ netns: prefix + device.namespace });
  const { device: name, mac, mtu } = device;
  if (device.kind === "bridge") {
    netlink.addLink({ kind: "bridge", name, mac, mtu });
  } else {
    const { vni, local, remote } = device;
    // Checksum 0 over IPv6 as over IPv4: what Weir sends (RFC 6935).
    const zeroChecksum6 = true;
    const parent = indexOf(netlink, device.parent);
    netlink.addLink({ kind: "vxlan", name, mac, mtu, vni, local, remote, parent, zeroChecksum6 });
  }
  bringUp(device, prefix);
}

function bringUp(end: DeviceProperties, prefix: string): void {
  using netlink = Netlink.open({ netns: prefix + end.namespace });
  netlink.setLink(end.device, {
    up: true,
    addressGeneration: end.linkLocal === false ? "none" : "eui64",
    master: end.master === undefined ? undefined : indexOf(netlink, end.master),
  });
}

function addAddresses(
  { namespace, device, addresses = [] }: Pick<DeviceProperties, "namespace" | "device" | "addresses">,
  prefix: string,
): void {
  using netlink = Netlink.open({ netns: prefix + namespace });
  const ifindex = indexOf(netlink, device);
  for (const address of addresses) netlink.addAddress({ ifindex, address, noDad: true });
}

function addNeighbour({ namespace, device, address, mac }: TopologyNeighbour, prefix: string): void {
  using netlink = Netlink.open({ netns: prefix + namespace });
  netlink.setNeighbour({ ifindex: indexOf(netlink, device), address, mac });
}

function addRoute(route: TopologyRoute, prefix: string): void {
  using netlink = Netlink.open({ netns: prefix + route.namespace });
  netlink.addRoute({
    destination: route.destination,
    ifindex: route.device === undefined ? undefined : indexOf(netlink, route.device),
    gateway: route.gateway,
    onlink: route.onlink,
    nextHops: route.nextHops?.map(({ device, gateway }) => ({ ifindex: indexOf(netlink, device), gateway })),
    preferredSource: route.preferredSource,
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
