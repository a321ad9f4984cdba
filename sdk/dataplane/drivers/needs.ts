// SPDX-License-Identifier: Apache-2.0
/** What a device lacks for the hook that its packets are to be decided on, what it costs, and what mends it. */
import { kernelAtLeast } from "../device/preflight.ts";
import { abilitiesOf, type XdpAbilities } from "./abilities.ts";
import type { DeviceFacts } from "./facts.ts";
import { queueNeeds, receiveChannels } from "./queue_needs.ts";
import type { DeviceSettings } from "./settings.ts";
import { findDriver } from "./table.ts";

/** What a device is to be used for. */
export interface DeviceUse {
  readonly hook: "tc" | "xdp";
  /** New flows are to be decided: packets must get to the slow path. */
  readonly policed?: boolean;
  /** Largest packet that the slow path takes, layer 3, in bytes. */
  readonly largestPacket?: number;
}

/** Something that a device lacks. */
export interface DeviceNeed {
  readonly subject: "mtu" | "queues" | "offloads" | "rings" | "rps" | "interrupts";
  /** What is there. */
  readonly found: string;
  /** What it costs. */
  readonly cost: string;
  /** True: the use is not possible at all; false: it is slower. */
  readonly isBlocking: boolean;
  /** What to do by hand. */
  readonly command: string;
  /** What Weir does about it if it may; empty: it cannot. */
  readonly settings: DeviceSettings;
}

/** In one line: what there is, what it costs, what to do. */
export function needText({ found, cost, command }: DeviceNeed): string {
  return `${found}: ${cost}; ${command}`;
}

/** Descriptors of a ring that outlast a millisecond at some millions of packets a second. */
const RING = 4096;

/**
 * Polls each queue on for up to 40 us after packets came, before it waits for the next interrupt: the second and
 * later packets of a stream cost no interrupt each.
 */
const DEFERRED = { hardIrqs: 2, flushNs: 20_000 };

/** All that a device lacks, what blocks first. */
export function needsOf(facts: DeviceFacts, use: DeviceUse): DeviceNeed[] {
  const needs = [
    mtuNeed(facts, use),
    offloadNeed(facts, use),
    ...queueNeeds(facts, use),
    ringNeed(facts),
    rpsNeed(facts, use),
    interruptNeed(facts, use),
  ].filter((need) => need !== undefined);
  return [...needs.filter(({ isBlocking }) => isBlocking), ...needs.filter(({ isBlocking }) => !isBlocking)];
}

/** Whether packets in several buffers get all the way: redirects since 6.3, to the slow path since 6.6. */
function fragsWork({ frags }: XdpAbilities, policed: boolean, kernel: readonly [number, number]): boolean {
  return frags && (policed ? kernelAtLeast(6, 6, kernel) : kernelAtLeast(6, 3, kernel));
}

/** The largest MTU for a use, and what comes of a larger one; `undefined`: any will do. */
export function mtuLimit(
  { driver, xdp, kernel }: Pick<DeviceFacts, "driver" | "xdp" | "kernel">,
  use: DeviceUse,
): { readonly mtu: number; readonly cost: string } | undefined {
  const abilities = abilitiesOf(driver, xdp, kernel);
  const limits: { readonly mtu: number; readonly cost: string }[] = [];
  const frags = fragsWork(abilities, use.policed === true, kernel);
  if (use.hook === "xdp" && abilities.mtu !== undefined && !frags) {
    limits.push({ mtu: abilities.mtu, cost: "the driver refuses XDP: longer packets do not fit one buffer" });
  }
  if (use.policed === true && use.largestPacket !== undefined) {
    limits.push({ mtu: use.largestPacket, cost: "longer first packets of flows cannot be decided" });
  }
  return limits.sort((a, b) => a.mtu - b.mtu)[0];
}

function mtuNeed(facts: DeviceFacts, use: DeviceUse): DeviceNeed | undefined {
  const { link } = facts;
  const limit = mtuLimit(facts, use);
  if (limit === undefined || link.mtu <= limit.mtu) return undefined;
  return {
    subject: "mtu",
    found: `MTU ${link.mtu}, above ${limit.mtu}`,
    cost: limit.cost,
    isBlocking: true,
    command: `ip link set ${link.name} mtu ${limit.mtu}`,
    settings: { mtu: limit.mtu },
  };
}

const LRO: Readonly<Record<string, string>> = { "rx-lro": "lro", "rx-gro-hw": "rx-gro-hw" };

/** Packets that the device has put together cannot be forwarded; hardware GRO's can, by the stack. */
function offloadNeed(facts: DeviceFacts, use: DeviceUse): DeviceNeed | undefined {
  const { link, driver, features } = facts;
  const wrong = Object.keys(LRO).filter((name) => {
    const state = features.get(name);
    if (state?.active !== true) return false;
    if (use.hook === "tc") return name === "rx-lro";
    // The others turn it off by themselves while there is a program.
    return !state.changeable || (findDriver(driver)?.refusesLro ?? findDriver(driver) === undefined);
  });
  const fixed = wrong.filter((name) => features.get(name)?.changeable === false);
  if (wrong.length === 0) return groNeed(facts, use);
  return {
    subject: "offloads",
    found: `${wrong.join(" and ")} ${wrong.length > 1 ? "are" : "is"} on`,
    cost:
      use.hook === "xdp"
        ? "the driver refuses XDP, or turns it off and not on again"
        : "what the device has put together cannot be forwarded",
    isBlocking: true,
    command:
      fixed.length > 0
        ? "turn it off where the device is made: the driver has it fixed (QEMU: ctrl_guest_offloads=on)"
        : `ethtool -K ${link.name} ${wrong.map((name) => `${LRO[name]} off`).join(" ")}`,
    settings: fixed.length > 0 ? {} : { features: Object.fromEntries(wrong.map((name) => [name, false])) },
  };
}

/** Segments that the stack puts together go through the programs as one packet. */
function groNeed({ link, features }: DeviceFacts, use: DeviceUse): DeviceNeed | undefined {
  const gro = features.get("rx-gro");
  // On a veth it asks for NAPI, which costs more there than it saves.
  if (use.hook === "xdp" || link.kind !== undefined || gro?.changeable !== true || gro.active) return undefined;
  return {
    subject: "offloads",
    found: "rx-gro is off",
    cost: "each segment of a TCP stream is decided by itself",
    isBlocking: false,
    command: `ethtool -K ${link.name} gro on`,
    settings: { features: { "rx-gro": true } },
  };
}

/** Virtual devices have no rings of their own. */
function ringNeed({ link, rings }: DeviceFacts): DeviceNeed | undefined {
  if (link.kind !== undefined || rings === undefined) return undefined;
  const wanted = { rx: Math.min(rings.maximum.rx, RING), tx: Math.min(rings.maximum.tx, RING) };
  const short = (["rx", "tx"] as const).filter((name) => rings[name] < wanted[name]);
  if (short.length === 0) return undefined;
  return {
    subject: "rings",
    found: short.map((name) => `${rings[name]} of ${rings.maximum[name]} ${name} descriptors a queue`).join(", "),
    cost: "bursts that a CPU takes longer for are lost",
    isBlocking: false,
    command: `ethtool -G ${link.name} ${short.map((name) => `${name} ${wanted[name]}`).join(" ")}`,
    settings: { rings: Object.fromEntries(short.map((name) => [name, wanted[name]])) },
  };
}

/** The stack can spread what comes by few queues over all CPUs, in front of TC but behind XDP. */
function rpsNeed(facts: DeviceFacts, use: DeviceUse): DeviceNeed | undefined {
  const { link, cpus, rps } = facts;
  const queues = Math.max(facts.receiveQueues, receiveChannels(facts, use) ?? 0);
  if (use.hook === "xdp" || link.kind !== undefined || queues >= cpus) return undefined;
  // Who has set some has his reasons.
  if (rps.some((mask) => /[1-9a-f]/.test(mask))) return undefined;
  const mask = cpuMask(cpus);
  const files = Array.from({ length: queues }, (_, queue) => String(queue));
  return {
    subject: "rps",
    found: `${queues} receive queues for ${cpus} CPUs, and no receive packet steering`,
    cost: `${queues} of ${cpus} CPUs decide what it receives`,
    isBlocking: false,
    command: `echo ${mask} | tee /sys/class/net/${link.name}/queues/rx-*/rps_cpus`,
    settings: { rps: Object.fromEntries(files.map((queue) => [queue, mask])) },
  };
}

/** All of a number of CPUs, as the kernel writes bitmaps: words of 32 bits in hexadecimal, the highest first. */
export function cpuMask(cpus: number): string {
  const bits = ((1n << BigInt(cpus)) - 1n).toString(16);
  const words: string[] = [];
  for (let end = bits.length; end > 0; end -= 8) words.unshift(bits.slice(Math.max(end - 8, 0), end));
  return words.join(",");
}

/** Every packet of the fast path is worked on where the interrupt is taken. */
function interruptNeed({ link, interrupts }: DeviceFacts, use: DeviceUse): DeviceNeed | undefined {
  if (use.hook === "tc" || link.kind !== undefined || interrupts === undefined) return undefined;
  if (interrupts.hardIrqs > 0 || interrupts.flushNs > 0) return undefined;
  const path = `/sys/class/net/${link.name}`;
  return {
    subject: "interrupts",
    found: "each wake-up of a queue waits for an interrupt",
    cost: "CPU time for interrupts between packets that come a few microseconds apart",
    isBlocking: false,
    command: `echo ${DEFERRED.hardIrqs} > ${path}/napi_defer_hard_irqs; echo ${DEFERRED.flushNs} > ${path}/gro_flush_timeout`,
    settings: { interrupts: DEFERRED },
  };
}
