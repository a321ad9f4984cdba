// SPDX-License-Identifier: Apache-2.0
/** How many queues a device should use: as many as there are CPUs, within its driver's rules for XDP. */
import type { DeviceFacts } from "./facts.ts";
import type { DeviceNeed, DeviceUse } from "./needs.ts";
import type { DeviceSettings } from "./settings.ts";
import { findDriver, type QueueRule } from "./table.ts";

type ChannelChange = NonNullable<DeviceSettings["channels"]>;

/** What the rule of the driver asks for; absent fields: anything. */
interface Demand {
  /** Most queues that may receive. */
  readonly most?: number;
  readonly least?: number;
  /** As many receive as transmit. */
  readonly equal?: boolean;
  /** Each does both. */
  readonly combined?: boolean;
  readonly why: string;
  readonly isBlocking: boolean;
}

/** What the device's queues lack. */
export function queueNeeds(facts: DeviceFacts, use: DeviceUse): DeviceNeed[] {
  const { channels, link } = facts;
  if (channels === undefined) return [];
  const change = wantedChannels(facts, use);
  const demand = demandOf(facts, use);
  const receive = channels.rx + channels.combined;
  const text = `${receive} receive and ${channels.tx + channels.combined} transmit queues`;
  const violated = demand !== undefined && !isMet(facts, demand);
  if (!violated && change === undefined) return [];
  const command =
    change === undefined
      ? `give the device more queues where it is made: it has ${most(facts)} at most`
      : `ethtool -L ${link.name} ${Object.entries(change)
          .map(([name, count]) => `${name} ${count}`)
          .join(" ")}`;
  return [
    {
      subject: "queues",
      found: violated ? text : `${text} for ${facts.cpus} CPUs`,
      cost: violated ? demand.why : `${receive} of ${facts.cpus} CPUs decide what it receives`,
      isBlocking: violated && demand.isBlocking,
      command,
      settings: change === undefined ? {} : { channels: change },
    },
  ];
}

/** Receive queues that the device is to have; `undefined`: the driver does not tell of any. */
export function receiveChannels(facts: DeviceFacts, use: DeviceUse): number | undefined {
  if (facts.channels === undefined) return undefined;
  const now = { ...facts.channels, ...wantedChannels(facts, use) };
  return now.rx + now.combined;
}

/** Most queues that can receive. */
function most({ channels }: DeviceFacts): number {
  return channels === undefined ? 0 : Math.max(channels.maximum.rx, channels.maximum.combined);
}

function demandOf(facts: DeviceFacts, use: DeviceUse): Demand | undefined {
  const rule = use.hook === "xdp" ? findDriver(facts.driver)?.queues : undefined;
  if (rule === undefined) return undefined;
  // With a program there its own queues are among the channels, and none can be changed.
  return rule === "pair-per-cpu" && facts.link.xdp?.mode === "native" ? undefined : demands[rule](facts);
}

const half = (facts: DeviceFacts) => Math.max(Math.floor(most(facts) / 2), 1);

const demands: Readonly<Record<QueueRule, (facts: DeviceFacts) => Demand>> = {
  half: (facts) => ({
    most: half(facts),
    why: `the driver refuses XDP with more than half of its ${most(facts)} queues in use`,
    isBlocking: true,
  }),
  "half-and-equal": (facts) => ({
    most: half(facts),
    equal: true,
    why: `the driver refuses XDP with more than half of its ${most(facts)} queues in use, or more one way than the other`,
    isBlocking: true,
  }),
  // The receive queues that it adds are no channels, and are there only while a program is.
  "pair-per-cpu": (facts) => ({
    most: Math.max(most(facts) - facts.cpus, 0),
    why: "XDP has no transmit queue of its own for each CPU, and takes a lock for each burst",
    isBlocking: false,
  }),
  combined: () => ({ combined: true, why: "the driver refuses XDP unless queues do both", isBlocking: true }),
  peer: ({ peerTransmitQueues = 0 }) => ({
    least: peerTransmitQueues,
    why: `the driver refuses XDP with fewer than the ${peerTransmitQueues} transmit queues of the other end`,
    isBlocking: true,
  }),
};

function isMet({ channels }: DeviceFacts, demand: Demand): boolean {
  if (channels === undefined) return true;
  const receive = channels.rx + channels.combined;
  if (demand.most !== undefined && receive > demand.most) return false;
  if (demand.least !== undefined && receive < demand.least) return false;
  if (demand.combined === true) return channels.rx === 0 && channels.tx === 0;
  return demand.equal !== true || channels.rx === channels.tx;
}

/** The change that gives each CPU a queue, as far as device and driver allow; `undefined`: none is needed or helps. */
function wantedChannels(facts: DeviceFacts, use: DeviceUse): ChannelChange | undefined {
  const { channels, cpus, link } = facts;
  if (channels === undefined) return undefined;
  // On the TC hook what a veth's peer sends is decided on the sender's CPU.
  if (link.kind !== undefined && use.hook === "tc") return undefined;
  const demand = demandOf(facts, use);
  const allowed = demand?.most === undefined ? most(facts) : Math.min(most(facts), demand.most);
  // Without room for the rule the queues stay as they are.
  if (allowed === 0) return undefined;
  const target = Math.max(Math.min(cpus, allowed), Math.min(demand?.least ?? 0, most(facts)));
  const receive = channels.rx + channels.combined;
  const wrong = demand !== undefined && !isMet(facts, demand);
  if (!wrong && receive >= target) return undefined;
  const change = changeTo(facts, target, demand);
  return Object.keys(change).length === 0 ? undefined : change;
}

function changeTo({ channels }: DeviceFacts, target: number, demand: Demand | undefined): ChannelChange {
  if (channels === undefined) return {};
  if (channels.maximum.combined > 0) {
    const counts: ChannelChange = {
      combined: target,
      ...(channels.rx > 0 ? { rx: 0 } : {}),
      ...(channels.tx > 0 ? { tx: 0 } : {}),
    };
    return differing(channels, counts);
  }
  return differing(channels, { rx: target, ...(demand?.equal === true ? { tx: target } : {}) });
}

function differing(channels: NonNullable<DeviceFacts["channels"]>, counts: ChannelChange): ChannelChange {
  return Object.fromEntries(
    Object.entries(counts).filter(([name, count]) => channels[name as keyof ChannelChange] !== count),
  );
}
