// SPDX-License-Identifier: Apache-2.0
/** Devices that Weir is to forward between: driver, hook, what they lack for it, and programs that are there already. */

import {
  type AttachedProgram,
  attachedPrograms,
  type DeviceNeed,
  type DeviceReport,
  type InspectOptions,
  inspectDevice,
  WeirError,
} from "../../../sdk/index.ts";
import { DEFAULT_PACKET_LIMIT, type LinkInfo } from "../../../sdk/netlink/index.ts";
import { type Check, fail, failed, ok, warn } from "./check.ts";

type HookChoice = NonNullable<InspectOptions["hook"]>;

/** Looks at each device by name, for the hook that it is to have. */
export function checkDevices(names: readonly string[], hook: HookChoice = "auto"): Check[] {
  return names.flatMap((name) => {
    try {
      const report = inspectDevice(name, { hook });
      const { link } = report.facts;
      const programs = attachedPrograms(link.index);
      return [...checkDevice(report, hook, programs), checkNeighbours(link, programs)];
    } catch (error) {
      if (!(error instanceof WeirError) || error.code !== "ENODEV") return [failed(name, error)];
      return [fail(name, "no such device", "ip link shows the devices of this namespace")];
    }
  });
}

/** All that there is to say about a device. */
export function checkDevice(
  report: DeviceReport,
  hook: HookChoice,
  programs: readonly AttachedProgram[] = [],
): Check[] {
  const { link } = report.facts;
  return [
    checkUp(link),
    checkDriver(report),
    checkHook(report, hook),
    checkProgram(link, programs),
    ...checkSettings(report, hook),
    checkPacketLimits(link),
    ...checkPeer(report),
  ];
}

/** A device must be up to carry packets; Weir does not set it up by itself. */
export function checkUp(link: LinkInfo): Check {
  if (link.up) return ok(link.name, `${link.kind ?? "device"}, up${link.running ? "" : ", no carrier"}`);
  return warn(link.name, "is down", `ip link set ${link.name} up`, "no packet comes in or goes out");
}

/** What the driver can do on the XDP hook, and who says so. */
export function checkDriver({ facts, xdp, hook }: DeviceReport): Check {
  const name = `${facts.link.name} driver`;
  const driver = facts.driver === "" ? "driver not told" : facts.driver;
  if (!xdp.native) {
    const found = `${driver}: no native XDP`;
    if (hook === "tc") return ok(name, found);
    return fail(name, found, "use hook: tc", "hook xdp is refused: generic XDP would copy each packet");
  }
  const traits = [
    xdp.frags ? "frags" : "no frags",
    ...(xdp.target === undefined ? [] : [xdp.target ? "redirect target" : "no redirect target yet"]),
    xdp.zeroCopy ? "zero-copy AF_XDP" : "copy-mode AF_XDP",
    ...(xdp.metadata === false ? ["no XDP metadata: traps take the trap link"] : []),
    ...(xdp.mtu === undefined ? [] : [`MTU up to ${xdp.mtu} in one buffer`]),
  ];
  const source = xdp.source === "driver" ? "as the driver says" : "as known of the driver";
  return ok(name, `${driver}: native XDP, ${traits.join(", ")} (${source})`);
}

/** The hook that its packets would be decided on. */
function checkHook({ facts, hook, needs }: DeviceReport, wanted: HookChoice): Check {
  const name = `${facts.link.name} hook`;
  const obstacle = needs.find(({ isBlocking }) => isBlocking);
  if (wanted !== "auto" || hook === "tc" || obstacle === undefined) {
    return ok(name, wanted === "auto" ? `auto takes ${hook}` : hook);
  }
  const cost = "small packets take several times the CPU time that they take on the XDP hook";
  return warn(name, `auto takes tc, as XDP is not possible: ${obstacle.found}`, obstacle.command, cost);
}

/** Another program on the XDP hook is not replaced unasked; those behind a dispatcher can be joined. */
export function checkProgram(link: LinkInfo, programs: readonly AttachedProgram[] = []): Check {
  const name = `${link.name} xdp`;
  if (link.xdp === undefined) return ok(name, "no program attached");
  const { programId, mode } = link.xdp;
  const chain = programs.filter(({ hook, priority }) => hook === "xdp" && priority !== undefined);
  if (chain.length > 0) {
    const names = chain.map(({ id, name: program, priority }) => `${id} ${program} (priority ${priority})`);
    const found = `a dispatcher (${mode}) runs, in this order: ${names.join(", ")}`;
    return warn(name, found, "set xdpChain to be one of them, or use hook: tc", "hook xdp without it is refused");
  }
  const found = `program ${programId} is attached (${mode})`;
  const hint = "use hook: tc, set replaceXdp: true, or detach it; it may be Weir's own";
  return warn(name, found, hint, "hook xdp is refused");
}

/** Who is on the TC ingress, TCX before clsact: the first that does not hand a packet on decides on it. */
export function checkNeighbours(link: LinkInfo, programs: readonly AttachedProgram[]): Check {
  const names = programs.filter(({ hook }) => hook !== "xdp").map(describe);
  return ok(`${link.name} tc`, names.length === 0 ? "no program attached" : `in this order: ${names.join(", ")}`);
}

const describe = ({ id, name, priority }: AttachedProgram) =>
  `${id} ${name}${priority === undefined ? "" : ` (clsact, priority ${priority})`}`;

/** Settings in the order in which they matter; those that nothing is wrong with as they are. */
function checkSettings(report: DeviceReport, hook: HookChoice): Check[] {
  const { link, channels, receiveQueues, rings, rps } = report.facts;
  const transmit = channels === undefined ? link.txQueues : channels.tx + channels.combined;
  const fine: Readonly<Record<DeviceNeed["subject"], string | undefined>> = {
    mtu: String(link.mtu),
    queues: `${receiveQueues} receive, ${transmit} transmit`,
    offloads: "nothing in the way",
    rings: rings === undefined ? undefined : `${rings.rx} receive, ${rings.tx} transmit descriptors`,
    rps: report.hook === "xdp" || link.kind !== undefined ? undefined : `masks ${[...new Set(rps)].join(" ")}`,
    interrupts: undefined,
  };
  return Object.entries(fine).flatMap(([subject, found]) => {
    const name = `${link.name} ${subject}`;
    const need = report.needs.find((candidate) => candidate.subject === subject);
    if (need === undefined) return found === undefined ? [] : [ok(name, found)];
    const finding = need.isBlocking && hook === "xdp" ? fail : warn;
    return [finding(name, need.found, need.command, need.cost)];
  });
}

/** How long packets may be on the way to it (BIG TCP): of fabric devices this bounds those between workloads too. */
export function checkPacketLimits(link: LinkInfo): Check {
  const { gso, gsoIpv4 = DEFAULT_PACKET_LIMIT, driver } = link.packetLimits;
  const found = `IPv4 up to ${gsoIpv4}, IPv6 up to ${gso} bytes before segmentation; the driver takes ${driver}`;
  return ok(`${link.name} packets`, found);
}

/** The far end of a veth belongs to the workload; the XDP hook needs settings there. */
export function checkPeer({ facts: { link }, xdp }: Pick<DeviceReport, "facts" | "xdp">): Check[] {
  if (link.kind !== "veth" || link.linkNetnsId === undefined) return [];
  const found =
    xdp.target === false
      ? "in another namespace, without NAPI: what XDP redirects to it vanishes"
      : "in another namespace; hook xdp needs tx checksum offload off and GRO on there";
  const hint = "say netns in the state document, or run there: ethtool -K DEVICE tx off gro on";
  return [warn(`${link.name} peer`, found, hint, "nothing on the TC hook; lost or corrupt packets on the XDP hook")];
}
