// SPDX-License-Identifier: Apache-2.0
/** What there is to know of a device before a program is attached to it. */
import { cpus } from "node:os";
import { WeirError } from "../../errors.ts";
import {
  type Channels,
  Ethtool,
  type FeatureState,
  type LinkInfo,
  Netlink,
  type Rings,
  type XdpFeatures,
} from "../../netlink/index.ts";
import { kernelVersion } from "../device/preflight.ts";
import { type DeviceAccess, type InterruptDeferral, readDeferral } from "./settings.ts";

/** A device as kernel and driver describe it. */
export interface DeviceFacts {
  readonly link: LinkInfo;
  /** Name of the driver; empty where it does not tell. */
  readonly driver: string;
  /** What the driver says of XDP; `undefined` before Linux 6.3. */
  readonly xdp: XdpFeatures | undefined;
  /** `undefined`: the driver does not tell. */
  readonly channels: Channels | undefined;
  readonly rings: Rings | undefined;
  readonly features: ReadonlyMap<string, FeatureState>;
  /** Receive queues in use; a driver may use more than its channels say. */
  readonly receiveQueues: number;
  /** CPUs that each of them is spread over, as masks of `rps_cpus`. */
  readonly rps: readonly string[];
  readonly interrupts: InterruptDeferral | undefined;
  /** Transmit queues of a veth's other end; `undefined`: it is elsewhere. */
  readonly peerTransmitQueues: number | undefined;
  readonly cpus: number;
  readonly kernel: readonly [number, number];
}

/** @returns `undefined` if there is no such device. */
export function readFacts(access: DeviceAccess, key: number | string): DeviceFacts | undefined {
  const { netlink, ethtool, netdev, sysfs } = access;
  const link = netlink.link(key);
  if (link === undefined) return undefined;
  const { name } = link;
  const receiveQueues = Math.max(sysfs.receiveQueues(name), 1);
  return {
    link,
    driver: told(() => ethtool.driver(name).driver) ?? link.kind ?? "",
    xdp: netdev?.xdpFeatures(link.index),
    channels: told(() => ethtool.channels(name)),
    rings: told(() => ethtool.rings(name)),
    features: told(() => ethtool.featureStates(name)) ?? new Map(),
    receiveQueues,
    rps: Array.from({ length: receiveQueues }, (_, queue) => sysfs.read(name, `queues/rx-${queue}/rps_cpus`) ?? "0"),
    interrupts: readDeferral(sysfs, name),
    peerTransmitQueues: peerTransmitQueues(access, link),
    cpus: cpus().length,
    kernel: kernelVersion(),
  };
}

function peerTransmitQueues({ netlink, ethtool }: DeviceAccess, link: LinkInfo): number | undefined {
  if (link.kind !== "veth" || link.peerIndex === undefined || link.linkNetnsId !== undefined) return undefined;
  return peerFacts(netlink, ethtool, link.peerIndex)?.transmitQueues;
}

/** What there is to know of the other end of a veth. */
export interface PeerFacts {
  readonly index: number;
  /** Layer 3, in bytes. */
  readonly mtu: number;
  /** `undefined`: not told. */
  readonly transmitQueues: number | undefined;
}

/** @param netns of the peer, by name or path; `undefined`: the calling thread's. */
export function readPeer(index: number, netns: string | undefined): PeerFacts | undefined {
  using netlink = Netlink.open({ netns });
  using ethtool = Ethtool.open({ netns });
  return peerFacts(netlink, ethtool, index);
}

function peerFacts(netlink: Netlink, ethtool: Ethtool, index: number): PeerFacts | undefined {
  const peer = netlink.link(index);
  if (peer === undefined) return undefined;
  const channels = told(() => ethtool.channels(peer.name));
  return { index, mtu: peer.mtu, transmitQueues: channels && channels.tx + channels.combined };
}

/** Undefined where the driver does not tell. */
function told<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof WeirError) return undefined;
    throw error;
  }
}
