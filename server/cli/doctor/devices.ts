// SPDX-License-Identifier: Apache-2.0
/** Devices that Weir is to forward between: driver, MTU, queues, offloads, and programs that are there already. */

import { DEFAULT_PACKET_LIMIT, type Ethtool, type LinkInfo, type Netlink } from "../../../sdk/netlink/index.ts";
import { type Check, fail, ok, warn } from "./check.ts";
import { findDriver } from "./drivers.ts";

/** Looks at each device by name. */
export function checkDevices(names: readonly string[], netlink: Netlink, ethtool: Ethtool): Check[] {
  return names.flatMap((name) => {
    const link = netlink.link(name);
    if (link === undefined) return [fail(name, "no such device", "ip link shows the devices of this namespace")];
    return [
      checkUp(link),
      ...checkDriver(
        link,
        attempt(() => ethtool.driver(link.name).driver),
      ),
      checkProgram(link),
      checkQueues(
        link,
        attempt(() => ethtool.channels(link.name)),
      ),
      ...checkOffloads(link, attempt(() => ethtool.features(link.name)) ?? {}),
      checkPacketLimits(link),
      ...checkPeer(link),
    ];
  });
}

/** Undefined where the driver does not tell. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** A device must be up to carry packets; Weir does not set it up by itself. */
export function checkUp(link: LinkInfo): Check {
  if (link.up) return ok(link.name, `${link.kind ?? "device"}, up${link.running ? "" : ", no carrier"}`);
  return warn(link.name, "is down", `ip link set ${link.name} up`);
}

/** What the driver can do on the XDP hook at this MTU. */
export function checkDriver(link: LinkInfo, driverName: string | undefined): Check[] {
  const name = `${link.name} driver`;
  if (driverName === undefined) return [warn(name, "does not tell its name", "use hook: tc")];
  const driver = findDriver(driverName);
  if (driver === undefined) {
    const found = `${driverName}: not known to run XDP natively`;
    return [warn(name, found, "use hook: tc, or try hook: xdp and look at status")];
  }
  const traits = [
    driver.zeroCopy ? "zero-copy AF_XDP" : "copy-mode AF_XDP",
    driver.frags ? "frags" : "no frags",
    ...(driver.metadata ? [] : ["no XDP metadata"]),
  ];
  return [ok(name, `${driverName}: native XDP, ${traits.join(", ")}`), checkMtu(link, driverName)];
}

/** Native XDP without frags has one buffer a packet. */
export function checkMtu(link: LinkInfo, driverName: string): Check {
  const name = `${link.name} mtu`;
  const driver = findDriver(driverName);
  if (driver === undefined || link.mtu <= driver.mtu) return ok(name, String(link.mtu));
  const found = `${link.mtu}: above ${driver.mtu}, the most that ${driverName} has for XDP in one buffer`;
  if (driver.frags) return warn(name, `${found}; frags are used`, "needs Linux 6.3, with policy 6.6");
  return warn(name, found, `use hook: tc, or: ip link set ${link.name} mtu ${driver.mtu}`);
}

/** Another program on the XDP hook is not replaced unasked. */
export function checkProgram(link: LinkInfo): Check {
  const name = `${link.name} xdp`;
  if (link.xdp === undefined) return ok(name, "no program attached");
  const { programId, mode } = link.xdp;
  const found = `program ${programId} is attached (${mode})`;
  return warn(name, found, "use hook: tc, detach it, or say replaceXdp: true; it may be Weir's own");
}

/** XDP wants a transmit queue per processor, and a socket on each receive queue. */
export function checkQueues(
  link: LinkInfo,
  channels: { readonly rx: number; readonly tx: number; readonly combined: number } | undefined,
): Check {
  const name = `${link.name} queues`;
  if (channels === undefined) return ok(name, `${link.rxQueues} receive, ${link.txQueues} transmit`);
  const receive = channels.rx + channels.combined;
  return ok(name, `${receive} receive, ${channels.tx + channels.combined} transmit`);
}

/** Offloads that stand in the way of the XDP hook. */
export function checkOffloads(link: LinkInfo, features: Readonly<Record<string, boolean>>): Check[] {
  const name = `${link.name} offloads`;
  if (features["rx-lro"] === true) {
    return [warn(name, "large receive offload is on: drivers refuse XDP with it", `ethtool -K ${link.name} lro off`)];
  }
  if (features["rx-gro-hw"] === true) {
    const found = "hardware receive offload is on: drivers refuse XDP with it";
    return [warn(name, found, `ethtool -K ${link.name} rx-gro-hw off`)];
  }
  return [ok(name, "nothing in the way of XDP")];
}

/** How long packets may be on the way to it (BIG TCP): of fabric devices this bounds those between workloads too. */
export function checkPacketLimits(link: LinkInfo): Check {
  const { gso, gsoIpv4 = DEFAULT_PACKET_LIMIT, driver } = link.packetLimits;
  const found = `IPv4 up to ${gsoIpv4}, IPv6 up to ${gso} bytes before segmentation; the driver takes ${driver}`;
  return ok(`${link.name} packets`, found);
}

/** The far end of a veth belongs to the workload; the XDP hook needs settings there. */
export function checkPeer(link: LinkInfo): Check[] {
  if (link.kind !== "veth" || link.linkNetnsId === undefined) return [];
  const found = "in another namespace; hook xdp needs tx checksum offload off and GRO on there";
  const hint = "say netns in the state document, or run there: ethtool -K DEVICE tx off gro on";
  return [warn(`${link.name} peer`, found, hint)];
}
