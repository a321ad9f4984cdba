// SPDX-License-Identifier: Apache-2.0
/**
 * BIG TCP between the workloads of the node: how long the packets may be that their stacks hand to each other.
 *
 * The length field of such a packet is 0, so that nothing but the kernel's own description of it tells how long it
 * is. A tunnel's outer header cannot say it, and a device that takes less has it segmented in software. So nothing
 * is raised while there is a tunnel, and not beyond what each fabric device takes.
 */
import { WeirError } from "../../errors.ts";
import { DEFAULT_PACKET_LIMIT, type PacketLimits } from "../../netlink/index.ts";
import { deviceName } from "../device/devices.ts";
import type { LiveInterface } from "../device/live.ts";
import type { LongestPackets, VethEnds } from "../device/packet_limits.ts";
import type { AnyChange } from "../state/desired.ts";
import type { Run } from "./context.ts";
import { isReachable, namespaceOfPeer, peerNamespace } from "./peer_namespace.ts";
import { usesXdp } from "./peers.ts";

/** What Cilium has found to be enough; the kernel's own maximum is 512 KiB. */
const LONGEST = 196_608;

const DEFAULT: LongestPackets = { ipv4: DEFAULT_PACKET_LIMIT, ipv6: DEFAULT_PACKET_LIMIT };

/** What the desired state allows. */
function longestPackets(run: Run): LongestPackets {
  if (run.node.bigTcp === false || run.node.underlay !== undefined) return DEFAULT;
  for (const { type } of run.state.objects("nexthops")) if (type === "tunnel") return DEFAULT;
  let longest: LongestPackets = { ipv4: LONGEST, ipv6: LONGEST };
  for (const object of run.state.objects("interfaces")) {
    // A VLAN of a fabric interface is on a device that is looked at.
    if (object.role !== "fabric" || object.parent !== undefined) continue;
    const limits: Partial<PacketLimits> = run.devices.netlink.link(deviceName(object))?.packetLimits ?? {};
    const { gso = DEFAULT_PACKET_LIMIT, gsoIpv4 = DEFAULT_PACKET_LIMIT } = limits;
    longest = { ipv4: Math.min(longest.ipv4, gsoIpv4), ipv6: Math.min(longest.ipv6, gso) };
  }
  return longest;
}

const isRaised = ({ ipv4, ipv6 }: LongestPackets): boolean => Math.max(ipv4, ipv6) > DEFAULT_PACKET_LIMIT;

/** Whether changes may mean other limits. */
export function concernPacketLimits(changes: readonly AnyChange[]): boolean {
  return changes.some((change) => {
    if (change.kind !== "nexthops") return change.kind === "node" || change.kind === "interfaces";
    return [...change.before, ...change.after].some(({ object }) => object.type === "tunnel");
  });
}

/** Restores what is higher than the new state allows, before anything is written that leads out of the node. */
export function lowerPacketLimits(run: Run): void {
  const longest = longestPackets(run);
  for (const [name, live] of run.live) {
    const before = run.packetLimits.longest(name);
    if (before === undefined || (before.ipv4 <= longest.ipv4 && before.ipv6 <= longest.ipv6)) continue;
    const ends = endsOf(live);
    if (ends !== undefined) run.undo.push(() => run.packetLimits.set(name, before, ends));
    run.packetLimits.restore(name);
  }
}

/** Raises what the state allows; what is not to be raised any more is restored once the run is kept. */
export function raisePacketLimits(run: Run): void {
  const longest = longestPackets(run);
  const isWanted = isRaised(longest);
  for (const [name, live] of run.live) if (isWanted && canBeRaised(live)) raise(run, name, live, longest);
  for (const name of run.packetLimits.names()) {
    const live = run.live.get(name);
    if (live !== undefined && isWanted && canBeRaised(live)) continue;
    run.retire.push(() => run.packetLimits.restore(name));
  }
}

/** XDP takes no packets that are to be segmented; what it asks for keeps a workload from making them. */
function canBeRaised(live: LiveInterface): boolean {
  const { object, device } = live;
  if (object.role !== "workload" || object.parent !== undefined || device?.kind !== "veth") return false;
  return isReachable(live) && !usesXdp(live);
}

function endsOf(live: LiveInterface): VethEnds | undefined {
  const { device } = live;
  if (device?.peerIndex === undefined) return undefined;
  return { ifindex: device.ifindex, peerIndex: device.peerIndex, netns: namespaceOfPeer(live) };
}

/** No state is refused for want of longer packets: the interface says why it has none. */
function raise(run: Run, name: string, live: LiveInterface, longest: LongestPackets): void {
  const ends = endsOf(live);
  if (live.device === undefined || ends === undefined || run.packetLimits.isSet(name, longest, ends)) return;
  const before = run.packetLimits.longest(name);
  try {
    peerNamespace(run, live.object, live.device);
    run.undo.push(() => {
      if (before === undefined) run.packetLimits.restore(name);
      else run.packetLimits.set(name, before, ends);
    });
    run.packetLimits.set(name, longest, ends);
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    const warnings = new Set([...live.warnings, error.message]);
    run.live.set(name, { ...live, warnings: [...warnings] });
  }
}
