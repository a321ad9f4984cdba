// SPDX-License-Identifier: Apache-2.0
/** A lab as data: namespaces, the links between them, addresses, routes, kernel settings. */

import { WeirError } from "../errors.ts";

/** A network namespace. Its loopback is brought up. */
export interface TopologyNamespace {
  /** Name within the lab; the lab's prefix goes in front of it. */
  readonly name: string;
  /**
   * Kernel settings, made before links are, so that `net.ipv6.conf.default.*` take effect on them. Names are
   * those of sysctl(8), `net.ipv4.ip_forward`; with slashes where a device's name has a dot.
   */
  readonly sysctls?: Readonly<Record<string, string | number>>;
}

/** One end of a link. */
export interface LinkEnd {
  /** Namespace, by its name within the lab. */
  readonly namespace: string;
  /** Device name, at most 15 bytes. */
  readonly device: string;
  /** Default: a random one. */
  readonly mac?: string;
  /** With prefix lengths: `10.0.0.1/24`, `fd00::1/64`. IPv6 ones skip duplicate address detection. */
  readonly addresses?: readonly string[];
  /** Default 1500. */
  readonly mtu?: number;
  /** Receive and transmit queues each. Default 1. */
  readonly queues?: number;
  /** False: the device makes no IPv6 link-local address for itself. Default true. */
  readonly linkLocal?: boolean;
  /** Offload features to change, by ethtool's names: `{ tx: false }`. */
  readonly features?: Readonly<Record<string, boolean>>;
}

/** A veth pair. Both ends are brought up. */
export interface TopologyLink {
  readonly ends: readonly [LinkEnd, LinkEnd];
}

/** A route in a namespace's main table. */
export interface TopologyRoute {
  readonly namespace: string;
  /** `10.0.0.0/8`, `::/0`. */
  readonly destination: string;
  readonly device: string;
  /** Left out: the destination is on the link. */
  readonly gateway?: string;
  /** Take the gateway to be on the link although no route says so. Default false. */
  readonly onlink?: boolean;
}

/** All of a lab. Things are made in the order: namespaces, links, addresses, routes. */
export interface Topology {
  readonly name: string;
  readonly namespaces: readonly TopologyNamespace[];
  readonly links: readonly TopologyLink[];
  readonly routes?: readonly TopologyRoute[];
}

/** Refuses a topology that names what it does not have. @throws WeirError `EINVAL` */
export function checkTopology(topology: Topology): void {
  const fail = (reason: string): never => {
    throw new WeirError({ code: "EINVAL", operation: `use topology "${topology.name}"`, reason });
  };
  const names = new Set<string>();
  for (const { name } of topology.namespaces) {
    if (!/^[A-Za-z0-9_.-]+$/.test(name))
      fail(`namespace name "${name}" has other characters than letters, digits, _ . -`);
    if (names.has(name)) fail(`namespace "${name}" is there twice`);
    names.add(name);
  }
  const devices = new Set<string>();
  for (const end of topology.links.flatMap((link) => link.ends)) {
    const key = `${end.namespace}/${end.device}`;
    if (!names.has(end.namespace))
      fail(`device "${end.device}" is in namespace "${end.namespace}", which is not there`);
    if (devices.has(key)) fail(`device "${end.device}" is twice in namespace "${end.namespace}"`);
    devices.add(key);
  }
  for (const route of topology.routes ?? []) {
    if (devices.has(`${route.namespace}/${route.device}`) || (route.device === "lo" && names.has(route.namespace)))
      continue;
    fail(`route ${route.destination} leaves by "${route.device}", which namespace "${route.namespace}" does not have`);
  }
}
