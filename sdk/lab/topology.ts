// SPDX-License-Identifier: Apache-2.0
/** A lab as data: namespaces, the devices in and the links between them, addresses, routes, kernel settings. */

/** A network namespace. Its loopback is brought up. */
export interface TopologyNamespace {
  /** Name within the lab; the lab's prefix goes in front of it. */
  readonly name: string;
  /**
   * Kernel settings, made before links are, so that `net.ipv6.conf.default.*` take effect on them. Names are
   * those of sysctl(8), `net.ipv4.ip_forward`; with slashes where a device's name has a dot.
   */
  readonly sysctls?: Readonly<Record<string, string | number>>;
  /** Addresses of its loopback besides 127.0.0.1 and ::1, with prefix lengths. */
  readonly addresses?: readonly string[];
}

/** What any device of a lab can be given. */
export interface DeviceProperties {
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
  /** False: the device makes no IPv6 link-local address for itself. Default true. */
  readonly linkLocal?: boolean;
  /** Bridge that it joins, of the same namespace. */
  readonly master?: string;
}

/** One end of a link. */
export interface LinkEnd extends DeviceProperties {
  /** Receive and transmit queues each. Default 1. */
  readonly queues?: number;
  /** Offload features to change, by ethtool's names: `{ tx: false }`. */
  readonly features?: Readonly<Record<string, boolean>>;
}

/** A veth pair. Both ends are brought up. */
export interface TopologyLink {
  readonly ends: readonly [LinkEnd, LinkEnd];
}

/** A bridge of the kernel's. */
export interface TopologyBridge extends DeviceProperties {
  readonly kind: "bridge";
}

/** A VXLAN device of the kernel's (RFC 7348). */
export interface TopologyVxlan extends DeviceProperties {
  readonly kind: "vxlan";
  /** VXLAN network identifier, 0 to 2^24 - 1. */
  readonly vni: number;
  /** Device that tunnels leave by. */
  readonly parent: string;
  readonly local: string;
  /** Where all goes whose place is not learned. */
  readonly remote: string;
}

/** A device that is no end of a link. It is brought up. */
export type TopologyDevice = TopologyBridge | TopologyVxlan;

/** One of several ways out of a route. */
export interface TopologyNextHop {
  readonly device: string;
  readonly gateway: string;
}

/** A route in a namespace's main table: out of a device, or one of several `nextHops` for each flow. */
export interface TopologyRoute {
  readonly namespace: string;
  /** `10.0.0.0/8`, `::/0`. */
  readonly destination: string;
  readonly device?: string;
  /** Left out: the destination is on the link. */
  readonly gateway?: string;
  /** Take the gateway to be on the link although no route says so. Default false. */
  readonly onlink?: boolean;
  readonly nextHops?: readonly TopologyNextHop[];
  /** Source address of what the namespace itself sends there. */
  readonly preferredSource?: string;
}

/** A neighbour that is not asked for its MAC. */
export interface TopologyNeighbour {
  readonly namespace: string;
  readonly device: string;
  readonly address: string;
  readonly mac: string;
}

/** All of a lab. Things are made in the order: namespaces, bridges, links, other devices, addresses, neighbours, routes. */
export interface Topology {
  readonly name: string;
  readonly namespaces: readonly TopologyNamespace[];
  readonly links: readonly TopologyLink[];
  readonly devices?: readonly TopologyDevice[];
  readonly neighbours?: readonly TopologyNeighbour[];
  readonly routes?: readonly TopologyRoute[];
}
