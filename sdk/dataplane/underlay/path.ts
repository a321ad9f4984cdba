// SPDX-License-Identifier: Apache-2.0
/** What the underlay is asked for, and what it answers. */

/** An address that packets shall be sent to over the fabric. */
export interface UnderlayTarget {
  /** Far end of a tunnel, or a gateway: an IPv4 or IPv6 address. */
  readonly remote: string;
  /** Source address that packets will carry; the kernel's rules may look at it. Default: the one that the kernel would take. */
  readonly source?: string | undefined;
  /** `remote` is a neighbour on this link, whatever the routes say. Default: the kernel's routes decide. */
  readonly ifindex?: number | undefined;
}

/** One way to a target that can be used now: all that a frame needs. */
export interface UnderlayPath {
  /** Link that frames leave by. */
  readonly ifindex: number;
  /** Neighbour that frames go to: the route's gateway, or the target itself if it is on the link. */
  readonly gateway: string;
  /** The neighbour's MAC. */
  readonly destinationMac: string;
  /** The link's MAC. */
  readonly sourceMac: string;
  /** `undefined` where the kernel has none for this way. */
  readonly sourceAddress: string | undefined;
  /** Largest IP packet on this way, in bytes: the link's limit or the route's, whichever is lower. */
  readonly mtu: number;
  /** Share relative to the target's other paths, 1 to 65536. */
  readonly weight: number;
}

/** A neighbour that has yet to answer. */
export type UnderlayWait = Pick<UnderlayPath, "ifindex" | "gateway">;

/** A way out as the kernel's tables describe it, before it is known whether the link and the neighbour are usable. */
export interface UnderlayWay {
  readonly ifindex: number;
  readonly gateway: string;
  readonly sourceAddress: string | undefined;
  /** Limit of the route; `undefined` where it sets none. */
  readonly mtu: number | undefined;
  readonly weight: number;
  /** The kernel does not use it at present, e.g. because the link has no address. */
  readonly dead: boolean;
}

/** The route to a target. */
export interface UnderlayRoute {
  /** Empty where the target cannot be reached, or is an address of this host. */
  readonly ways: readonly UnderlayWay[];
  /** The route, or one of its ways, is described by a nexthop object of the kernel. */
  readonly usesNexthopObject: boolean;
}

/** What is of interest about a link. */
export interface UnderlayLink {
  readonly up: boolean;
  /** With carrier. */
  readonly running: boolean;
  /** `undefined`: no Ethernet, so it cannot be used. */
  readonly mac: string | undefined;
  readonly mtu: number;
}

/** What is of interest about a neighbour. */
export interface UnderlayNeighbour {
  /** Of an entry that may be used; `undefined` while the kernel does not know it. */
  readonly mac: string | undefined;
  /** Somebody answers for the entry: the kernel, told to keep it fresh, or who entered it. Nothing is to be asked. */
  readonly kept: boolean;
}

/** Whether two answers are the same. */
export function samePaths(a: readonly UnderlayPath[], b: readonly UnderlayPath[]): boolean {
  return a.length === b.length && a.every((path, i) => samePath(path, b[i]));
}

function samePath(a: UnderlayPath, b: UnderlayPath | undefined): boolean {
  return (
    b !== undefined &&
    a.ifindex === b.ifindex &&
    a.gateway === b.gateway &&
    a.destinationMac === b.destinationMac &&
    a.sourceMac === b.sourceMac &&
    a.sourceAddress === b.sourceAddress &&
    a.mtu === b.mtu &&
    a.weight === b.weight
  );
}
