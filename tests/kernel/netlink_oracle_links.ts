// SPDX-License-Identifier: Apache-2.0
/** Links, addresses and neighbours as ip(8) shows them. */

import type { LinkInfo } from "../../sdk/netlink/index.ts";
import type { TestNamespace } from "./netlink_support.ts";

/** An object with fields of the decoders; what is `undefined` is not compared. */
export type Shown = Readonly<Record<string, unknown>>;

/** Names of devices and their indexes. */
export type Indexes = ReadonlyMap<string, number>;

/** `IFF_*` as iproute2 names them. */
const flagNames: Readonly<Record<string, number>> = {
  UP: 0x1,
  BROADCAST: 0x2,
  LOOPBACK: 0x8,
  POINTOPOINT: 0x10,
  NOARP: 0x80,
  PROMISC: 0x100,
  ALLMULTI: 0x200,
  MASTER: 0x400,
  SLAVE: 0x800,
  MULTICAST: 0x1000,
  LOWER_UP: 0x10000,
  DORMANT: 0x20000,
};

/** The flags of a link in iproute2's words, which has one for "up without carrier". */
function linkFlags({ flags, up, running }: LinkInfo): string[] {
  const names = Object.keys(flagNames).filter((name) => (flags & (flagNames[name] ?? 0)) !== 0);
  return [...names, ...(up && !running ? ["NO-CARRIER"] : [])].sort();
}

/** A link as it can be compared. */
export function comparableLink(link: LinkInfo, withIpv4Limits: boolean): Shown {
  const { gsoIpv4: _, groIpv4: __, ...packetLimits } = link.packetLimits;
  return {
    ...link,
    packetLimits: withIpv4Limits ? link.packetLimits : packetLimits,
    flags: linkFlags(link),
    running: undefined,
    xdp: undefined,
  };
}

/** Debian 12's iproute2 does not know the limits of IPv4's own. */
export const showsIpv4Limits = ({ packetLimits }: Shown): boolean => "gsoIpv4" in (packetLimits as object);

interface IpLink {
  readonly ifindex: number;
  readonly ifname: string;
  readonly link?: string;
  readonly link_index?: number;
  readonly link_netnsid?: number;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly operstate: string;
  readonly master?: string;
  readonly txqlen?: number;
  readonly link_type: string;
  readonly address?: string;
  readonly min_mtu: number;
  readonly max_mtu: number;
  readonly linkinfo?: { readonly info_kind?: string; readonly info_data?: Readonly<Record<string, unknown>> };
  readonly num_tx_queues: number;
  readonly num_rx_queues: number;
  readonly gso_max_size: number;
  readonly gro_max_size: number;
  readonly tso_max_size: number;
  /** Newer than Debian 12's iproute2. */
  readonly gso_ipv4_max_size?: number;
  readonly gro_ipv4_max_size?: number;
  readonly ifalias?: string;
  readonly altnames?: readonly string[];
  readonly parentdev?: string;
}

export function shownLinks(ns: TestNamespace, indexes: Indexes): Shown[] {
  return ns.ip<IpLink>("-N", "-d", "link", "show").map((link) => ({
    index: link.ifindex,
    name: link.ifname,
    alternativeNames: link.altnames ?? [],
    mac: link.address,
    mtu: link.mtu,
    minMtu: link.min_mtu,
    maxMtu: link.max_mtu,
    packetLimits: {
      gso: link.gso_max_size,
      gro: link.gro_max_size,
      driver: link.tso_max_size,
      ...(link.gso_ipv4_max_size === undefined ? {} : { gsoIpv4: link.gso_ipv4_max_size }),
      ...(link.gro_ipv4_max_size === undefined ? {} : { groIpv4: link.gro_ipv4_max_size }),
    },
    up: link.flags.includes("UP"),
    loopback: link.flags.includes("LOOPBACK"),
    // "M-DOWN" tells of the peer.
    flags: link.flags.filter((name) => name !== "M-DOWN").sort(),
    operationalState: operationalStates[link.operstate],
    kind: link.linkinfo?.info_kind,
    data: linkData(link.linkinfo?.info_kind, link.linkinfo?.info_data, indexes),
    master: link.master === undefined ? undefined : indexes.get(link.master),
    peerIndex: link.link_index ?? (link.link === undefined ? undefined : indexes.get(link.link)),
    linkNetnsId: link.link_netnsid,
    rxQueues: link.num_rx_queues,
    txQueues: link.num_tx_queues,
    txQueueLength: link.txqlen ?? 0,
    parentDevice: link.parentdev,
    alias: link.ifalias,
  }));
}

const operationalStates: Readonly<Record<string, string>> = {
  UNKNOWN: "unknown",
  NOTPRESENT: "not-present",
  DOWN: "down",
  LOWERLAYERDOWN: "lower-layer-down",
  TESTING: "testing",
  DORMANT: "dormant",
  UP: "up",
};

/** `ip -N` shows the numbers of Ethernet types. */
const vlanProtocols: Readonly<Record<string, string>> = { "[33024]": "802.1Q", "[34984]": "802.1ad" };

function linkData(
  kind: string | undefined,
  data: Readonly<Record<string, unknown>> | undefined,
  indexes: Indexes,
): unknown {
  if (data === undefined) return undefined;
  switch (kind) {
    case "vlan":
      return { kind, vlan: data["id"], protocol: vlanProtocols[String(data["protocol"])] };
    case "vrf":
      return { kind, table: data["table"] };
    case "vxlan":
      return {
        kind,
        vni: data["id"],
        remote: data["remote"] ?? data["remote6"] ?? data["group"] ?? data["group6"],
        local: data["local"] ?? data["local6"],
        port: data["port"],
        parent: typeof data["link"] === "string" ? indexes.get(data["link"]) : undefined,
        learning: data["learning"],
        ttl: data["ttl"],
        external: data["external"] === true,
      };
    case "bridge":
      return { kind, vlanFiltering: data["vlan_filtering"] === 1, stp: data["stp_state"] === 1 };
    case "macvlan":
      return { kind, mode: data["mode"] };
    default:
      return undefined;
  }
}

interface IpAddress {
  readonly ifindex: number;
  readonly addr_info: readonly {
    readonly family: "inet" | "inet6";
    readonly local: string;
    readonly address?: string;
    readonly prefixlen: number;
    readonly scope: string;
    readonly broadcast?: string;
    readonly label?: string;
    readonly tentative?: boolean;
    readonly dadfailed?: boolean;
    readonly dynamic?: boolean;
    readonly secondary?: boolean;
    readonly temporary?: boolean;
    readonly deprecated?: boolean;
    readonly valid_life_time: number;
    readonly preferred_life_time: number;
  }[];
}

const scopes: Readonly<Record<number, string>> = {
  0: "universe",
  200: "site",
  253: "link",
  254: "host",
  255: "nowhere",
};

/** A scope by the number that `ip -N` shows. */
export const scopeName = (number: string | undefined): string | undefined =>
  number === undefined ? undefined : scopes[Number(number)];

/** Seconds that run, in steps that two looks one after the other have in common. */
export const inSteps = (seconds: number): number => (Number.isFinite(seconds) ? Math.ceil(seconds / 10) * 10 : seconds);

const lifetime = (seconds: number): number => inSteps(seconds === 0xffffffff ? Number.POSITIVE_INFINITY : seconds);

export function shownAddresses(ns: TestNamespace): Shown[] {
  return ns.ip<IpAddress>("-N", "addr", "show").flatMap(({ ifindex, addr_info }) =>
    addr_info.map((a) => ({
      ifindex,
      family: a.family === "inet" ? 4 : 6,
      address: a.local,
      prefixLength: a.prefixlen,
      peer: a.address,
      broadcast: a.broadcast,
      label: a.label,
      scope: scopeName(a.scope),
      tentative: a.tentative === true,
      duplicate: a.dadfailed === true,
      permanent: a.dynamic !== true,
      secondary: a.secondary === true || a.temporary === true,
      deprecated: a.deprecated === true,
      validSeconds: lifetime(a.valid_life_time),
      preferredSeconds: lifetime(a.preferred_life_time),
    })),
  );
}

interface IpNeighbour {
  readonly dst: string;
  readonly dev: string;
  readonly lladdr?: string;
  readonly state?: readonly string[];
  readonly router?: null;
  readonly proxy?: null;
  readonly extern_learn?: null;
  readonly managed?: null;
  readonly protocol?: string;
}

/** Without those of multicast groups, which the kernel makes at times of its own. */
export function shownNeighbours(ns: TestNamespace, indexes: Indexes): Shown[] {
  const entries = ns.ip<IpNeighbour>("-N", "neigh", "show", "nud", "all");
  const proxies = ns.ip<IpNeighbour>("-N", "neigh", "show", "proxy");
  return [...entries, ...proxies]
    .filter(({ dst }) => !dst.startsWith("ff"))
    .map((n) => ({
      ifindex: indexes.get(n.dev),
      family: n.dst.includes(":") ? 6 : 4,
      address: n.dst,
      mac: n.lladdr,
      state: n.state?.[0]?.toLowerCase() ?? "none",
      router: n.router === null,
      externallyLearned: n.extern_learn === null,
      managed: n.managed === null,
      proxy: n.proxy === null,
      protocol: Number(n.protocol ?? 0),
    }));
}
