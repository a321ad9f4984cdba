// SPDX-License-Identifier: Apache-2.0
/** What a way of the kernel's is in a VRF: the next hop that a route leads to, and its label or VNI. */
import { createHash } from "node:crypto";
import { isLinkLocal, isUnusableForHost, parseAddress } from "../../address.ts";
import type { NexthopInfo, RouteNextHop } from "../../netlink/index.ts";
import type { Encap, Interface, KernelRoutesConfig, Nexthop, NexthopMember } from "../schema/index.ts";
import type { KernelWay } from "./kernel_way.ts";

/** Why a route of the kernel is not mirrored. */
export type IgnoredReason =
  /** Its type has no counterpart: local, multicast, throw and the like. */
  | "type"
  /** It is on the link, with no gateway to lead to. */
  | "no-gateway"
  /** Its gateway cannot be the remote of a tunnel: link-local, or without an own address to send from. */
  | "unusable-gateway"
  /** Its device is no interface of the state. */
  | "no-interface"
  /** The encapsulation needs a label, which neither the route nor the VRF has. */
  | "no-label"
  /** It packs packets into a tunnel of the kernel's. */
  | "encapsulated"
  /** Its nexthop object is not there. */
  | "no-nexthop";

/** Where a route leads. */
export interface Target {
  readonly via: string;
  readonly vni?: number;
  readonly label?: number;
}

/** What a way is: a target with the next hops that it needs, or nothing. */
export type Resolution =
  | { readonly target: Target; readonly nexthops: readonly Nexthop[] }
  | { readonly ignored: IgnoredReason };

/** What ways are resolved with. */
export interface Surroundings {
  /** Family of `node.underlay`; `undefined`: it is not given. */
  readonly underlayFamily: 4 | 6 | undefined;
  /** The kernel's own source address of what it sends to an address. */
  sourceTo(address: string): string | undefined;
  /** The interface of the state that has a device to itself. */
  interfaceOn(ifindex: number): Interface | undefined;
  /** MAC of a gateway that a control plane entered for a device, as for the router MACs of EVPN. */
  routerMac(ifindex: number, gateway: string): string | undefined;
  /** A nexthop object of the kernel. */
  nexthop(id: number): NexthopInfo | undefined;
}

/** Members that an ecmp next hop can have (schema). */
const MOST_MEMBERS = 1024;

/** 24 bits (RFC 7348 section 5). */
const MAX_VNI = 0xff_ffff;

/** Longest name of an object (schema). */
const MOST_NAME = 63;

/** Resolves a way in a VRF of this configuration. */
export function resolveWay(way: KernelWay, config: KernelRoutesConfig, around: Surroundings): Resolution {
  if (way.nexthopId === undefined) return resolveHops(way, way.hops, config, around);
  const hops = expand(way.nexthopId, 1, around);
  if (hops === undefined) return { ignored: "no-nexthop" };
  return hops === "blackhole" ? DISCARD : resolveHops(way, hops, config, around);
}

const DISCARD: Resolution = { target: { via: "discard" }, nexthops: [] };

type Hop = Pick<RouteNextHop, "ifindex" | "gateway" | "weight" | "encap" | "encapType">;

/** The ways out that a nexthop object stands for. */
function expand(id: number, weight: number, around: Surroundings): readonly Hop[] | "blackhole" | undefined {
  const nexthop = around.nexthop(id);
  if (nexthop === undefined) return undefined;
  if (nexthop.blackhole) return "blackhole";
  if (nexthop.members === undefined) return [{ ...nexthop, weight: Math.min(weight, 256) }];
  const hops = nexthop.members.flatMap((member) => {
    const way = expand(member.id, member.weight, around);
    return way === undefined || way === "blackhole" ? [] : way;
  });
  return hops.length === 0 ? undefined : hops;
}

function resolveHops(
  way: KernelWay,
  hops: readonly Hop[],
  config: KernelRoutesConfig,
  around: Surroundings,
): Resolution {
  // Weir has one kind of refusal: a counted drop.
  if (way.type === "blackhole" || way.type === "unreachable" || way.type === "prohibit") return DISCARD;
  if (way.type !== "unicast") return { ignored: "type" };
  const members: (Target & { readonly weight: number })[] = [];
  const nexthops: Nexthop[] = [];
  let ignored: IgnoredReason = "no-gateway";
  for (const hop of hops) {
    const one = config.encap === undefined ? plain(hop, around) : tunnelled(hop, config, config.encap, around);
    if ("ignored" in one) {
      ignored = one.ignored;
      continue;
    }
    const same = members.findIndex((member) => sameTarget(member, one.target));
    const known = members[same];
    if (known === undefined) members.push({ ...one.target, weight: hop.weight });
    else members[same] = { ...known, weight: Math.min(known.weight + hop.weight, 256) };
    for (const nexthop of one.nexthops) if (known === undefined) nexthops.push(nexthop);
  }
  const [first] = members;
  if (first === undefined) return { ignored };
  const { weight: _, ...target } = first;
  return members.length === 1 ? { target, nexthops } : ecmp(members.slice(0, MOST_MEMBERS), nexthops);
}

const sameTarget = (a: Target, b: Target): boolean => a.via === b.via && a.vni === b.vni && a.label === b.label;

function ecmp(members: readonly (Target & { readonly weight: number })[], nexthops: readonly Nexthop[]): Resolution {
  const list: NexthopMember[] = members.map(({ via, ...rest }) => ({ nexthop: via, ...rest }));
  const name = `kernel:ecmp:${digest(JSON.stringify(list))}`;
  // Like tunnels and neighbours the same choice is one next hop, whoever uses it.
  return { target: { via: name }, nexthops: [...nexthops, { name, type: "ecmp", members: list }] };
}

function tunnelled(hop: Hop, config: KernelRoutesConfig, encap: Encap, around: Surroundings): Resolution {
  // With `encap ip` the route itself says where the tunnel ends, and which one it is.
  const own = encap === "vxlan" && (hop.encap?.type === "ip" || hop.encap?.type === "ip6") ? hop.encap : undefined;
  const remote = own?.destination ?? hop.gateway;
  if (remote === undefined) return { ignored: "no-gateway" };
  const end = parseAddress(remote);
  if (end === undefined || isLinkLocal(end) || isUnusableForHost(end)) return { ignored: "unusable-gateway" };
  const isUnderlays = end.family === around.underlayFamily;
  const local = isUnderlays ? undefined : around.sourceTo(remote);
  if (!isUnderlays && local === undefined) return { ignored: "unusable-gateway" };
  const nexthop: Nexthop = {
    name: `kernel:${encap}:${remote}`,
    type: "tunnel",
    encap,
    remote,
    ...(local && { local }),
  };
  if (encap === "vxlan") {
    const vni = own === undefined ? (config.vni ?? 0) : Number(own.id);
    if ((hop.encapType !== 0 && own === undefined) || vni > MAX_VNI) return { ignored: "encapsulated" };
    const { ifindex, gateway } = hop;
    const mac = ifindex === undefined || gateway === undefined ? undefined : around.routerMac(ifindex, gateway);
    const tunnel = mac === undefined ? nexthop : { ...nexthop, name: nameOf(`${nexthop.name}@${mac}`), routerMac: mac };
    return { target: { via: tunnel.name, vni }, nexthops: [tunnel] };
  }
  const labels = hop.encap?.type === "mpls" ? hop.encap.labels : undefined;
  if (hop.encapType !== 0 && labels?.length !== 1) return { ignored: "encapsulated" };
  const label = labels?.[0] ?? config.label;
  if (label === undefined) return { ignored: "no-label" };
  return { target: { via: nexthop.name, label }, nexthops: [nexthop] };
}

function plain(hop: Hop, around: Surroundings): Resolution {
  if (hop.encapType !== 0) return { ignored: "encapsulated" };
  const on = hop.ifindex === undefined ? undefined : around.interfaceOn(hop.ifindex);
  if (on === undefined) return { ignored: "no-interface" };
  // A workload is the only neighbour on its interface.
  if (on.role === "workload") return { target: { via: on.name }, nexthops: [] };
  if (hop.gateway === undefined) return { ignored: "no-gateway" };
  const name = nameOf(`kernel:${on.name}:${hop.gateway}`);
  return {
    target: { via: name },
    nexthops: [{ name, type: "interface", device: on.name, gateway: hop.gateway }],
  };
}

/** A name that fits. */
const nameOf = (full: string): string => (full.length <= MOST_NAME ? full : `kernel:${digest(full)}`);

const digest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 24);
