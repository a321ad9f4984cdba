// SPDX-License-Identifier: Apache-2.0
/** Options and the parts of kernel objects that the slow path needs. */

import type { BusyPoll } from "../xsk/index.ts";
import type { DropEvent, SlowPathEvent } from "./events.ts";
import type { MemoryLayout } from "./memory_layout.ts";
import type { PolicyImage } from "./policy/types.ts";
import type { MappableTable } from "./table_mapping.ts";
import type { ControlSetting } from "./worker_host.ts";
import type { WorkerLimits } from "./worker_memory.ts";

/** The map `xsks`. */
export interface SocketMap {
  update(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): boolean;
}

/** The kernel objects that the slow path works with. */
export interface SlowPathMaps {
  readonly interfaces: MappableTable;
  readonly nexthops: MappableTable;
  readonly decisions: MappableTable;
  readonly flow_slots4: MappableTable;
  readonly flow_slots6: MappableTable;
  readonly miss_rings: MappableTable;
  readonly xsks: SocketMap;
}

/** The far end of the trap link: one queue, and so one worker, each. */
export interface TrapDevice {
  readonly name: string;
  readonly ifindex: number;
  /** Receive queues: the number of workers. */
  readonly queues: number;
}

/** Sizes of the slow path, each for one worker. */
export interface SlowPathLimits {
  /** UMEM frames. Default 16384; at least 1024. Half of them wait for packets from the trap link. */
  readonly frames?: number;
  /**
   * Bytes of a frame, 2048 (default) or 4096. Packets that are at least 256 bytes smaller fit in one; longer ones are
   * chains of at most 8 frames where the kernel has them (6.6), else the kernel programs drop them.
   */
  readonly frameSize?: number;
  /** Packets that wait for verdicts and neighbours. Default 2048; at most a quarter of the frames. */
  readonly holdLimit?: number;
  /** Queues of interfaces with sockets of their own. Default 16. */
  readonly directPorts?: number;
  /** Bytes of compiled rules. Default 32 MiB; only what is used is taken from the system's memory. */
  readonly policyBytes?: number;
  /** Bytes of compiled address sets. Default 16 MiB. */
  readonly addressSetBytes?: number;
  /** ICMP errors and resets that an interface may cause, a second. Default 1000; 0: none are sent. */
  readonly errorsPerSecond?: number;
}

export interface WorkerScheduling {
  /** CPUs that the threads are bound to, in turns; empty: any. */
  readonly cpus: readonly number[];
  /** They go before ordinary threads, but for those that are busy all the time (sdk/slowpath/scheduling.ts). */
  readonly realtime: boolean;
}

/** Options of `SlowPath.start`. */
export interface SlowPathOptions {
  /** Path of the network namespace that the devices are in; default: the process's own. */
  readonly netns?: string | undefined;
  readonly maps: SlowPathMaps;
  /** The program weir_flow_update. */
  readonly flowUpdate: { readonly fd: number };
  readonly trapDevice: TrapDevice;
  readonly limits?: SlowPathLimits;
  /**
   * The policy to begin with. Without one, new flows of interfaces that have policy are dropped until `setPolicy`;
   * they are not denied for good.
   */
  readonly policy?: PolicyImage | undefined;
  /** The module assets/slowpath.wasm; default: read from there. */
  readonly module?: Uint8Array<ArrayBuffer>;
  /** Never sleep: for workers that have a CPU each to themselves. Default false. */
  readonly spin?: boolean;
  /** How the workers' threads are scheduled. Default: on any CPU, and before ordinary threads. */
  readonly scheduling?: WorkerScheduling;
  /** Run the drivers of interfaces' own queues from the workers, which then wait awake for `microseconds`. Default: no. */
  readonly busyPoll?: BusyPoll | undefined;
  /** Addresses of the node that ICMP errors come from where the interface has none; 16 bytes each, IPv4 mapped. */
  readonly nodeAddresses?: readonly Uint8Array[];
  /** Called with each flow that a rule with `log` matched. */
  readonly onLog?: (event: SlowPathEvent) => void;
  /** Called with samples of the packets that the slow path dropped: see `setDropSamples`. */
  readonly onDrop?: (event: DropEvent) => void;
  /** Called with the number of events that were lost: asked flows, lent packets, log and drop reports. */
  readonly onLost?: (count: number) => void;
  /**
   * The module that the threads run, from the project's root: one that calls `serveWorker`. Default: one without
   * handlers of its own.
   */
  readonly workerModule?: string;
  /** Called with what the handler in a worker's thread posts. */
  readonly onMessage?: (worker: number, message: unknown) => void;
  /** Called with each flow that handlers in the workers are asked about, while `tellMisses` is on. */
  readonly onMiss?: (event: SlowPathEvent) => void;
  /** Called when a worker fails. */
  readonly onFailure?: (reason: string) => void;
}

/** Queues of an interface that get sockets of their own. */
export interface DirectPort {
  readonly interfaceId: number;
  readonly device: string;
  readonly ifindex: number;
  /** Receive queues of the device; each gets a socket. */
  readonly queues: number;
  /** First index in `xsks`, as in `interface.xsk_base`. */
  readonly xskBase: number;
  /** Worker of the first queue, as in `interface.worker`; the next queue has the next worker. Default 0. */
  readonly worker?: number;
  readonly mode: "auto" | "copy" | "zerocopy";
  /** Bytes of the longest frames that may come; default: such that fit a frame of the UMEM. */
  readonly largestFrame?: number;
}

/** What each worker is made from. */
export interface HostOptions {
  readonly maps: SlowPathMaps;
  readonly flowUpdate: { readonly fd: number };
  readonly trapDevice: TrapDevice;
  readonly layout: MemoryLayout;
  readonly limits: WorkerLimits;
  readonly settings: Partial<Record<ControlSetting, number>>;
  readonly module: WebAssembly.Module;
  readonly policy: PolicyImage | undefined;
  readonly spin: boolean;
  readonly scheduling: WorkerScheduling;
  readonly workerModule: string;
  readonly onMessage: (worker: number, message: unknown) => void;
  readonly busyPoll: BusyPoll | undefined;
}

/** The part of a flow's key that a translation changes. */
export interface NewKey {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** What the controller decides about an asked flow. */
export interface AskVerdict {
  readonly action: "forward" | "drop" | "reject";
  /** Action forward: what its packets become; addresses of 16 bytes, IPv4 mapped. */
  readonly becomes?: NewKey | undefined;
  /**
   * Where its packets go, in place of what the pipeline found: next hop, label with its kind, VRF of the answers.
   * `chosen`: whatever routes say.
   */
  readonly way?:
    | { readonly nexthop: number; readonly tag: number; readonly vrf: number; readonly chosen: boolean }
    | undefined;
  /** Next hop of the answers. Default: the one that the pipeline found. */
  readonly reverseNexthop?: number | undefined;
  /** Index in `mirrors` of copies of the answers. Default: as `mirror`. */
  readonly reverseMirror?: number | undefined;
  /** True: the answers are no part of it. */
  readonly single?: boolean | undefined;
  /** True: reported, as by a rule with log. */
  readonly log?: boolean | undefined;
  /** Seconds until an idle flow ends; default: that of its protocol. */
  readonly idleSeconds?: number | undefined;
  /** Index in `mirrors` of copies of its packets. Default: what the policy's rules say. */
  readonly mirror?: number | undefined;
}

/** How long asked flows wait, and what becomes of them then. */
export interface AskOptions {
  /** Default 1000. Not longer than `config.hold_timeout_ms`: the kernel then starts anew. */
  readonly timeoutMs?: number | undefined;
  /** Default `drop`. */
  readonly otherwise?: "forward" | "drop" | undefined;
}

/** What an injected frame is. */
export interface InjectAs {
  /** `received`: on the interface, with all that follows; `transmit`: out of it as it is; `route`: looked up in `vrf`. */
  readonly action: "received" | "transmit" | "route";
  readonly interface?: number | undefined;
  readonly vrf?: number | undefined;
}

/** Counters of the slow path, over all workers. */
export interface SlowPathCounters {
  readonly polls: number;
  readonly packets: number;
  readonly decided: number;
  readonly allowed: number;
  readonly denied: number;
  readonly rejected: number;
  readonly asked: number;
  readonly timeouts: number;
  readonly injected: number;
  readonly errorsSent: number;
  readonly errorsLimited: number;
  readonly solicited: number;
  readonly eventsLost: number;
  readonly noFrame: number;
  readonly unhandled: number;
  readonly stale: number;
  /** Fragments that came before the first of their datagram, where policy needs its ports. */
  readonly fragmentsHeld: number;
  /** Those of them whose first one did not come in time. */
  readonly fragmentsExpired: number;
  /** Drops that were not reported, because of `setDropSamples`. */
  readonly samplesLimited: number;
  /** Calls of handlers in the workers' threads that failed. */
  readonly handlerErrors: number;
}
