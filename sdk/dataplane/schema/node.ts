// SPDX-License-Identifier: Apache-2.0
import { WEIR_MAX_WORKERS } from "../../layout/index.ts";
import { address, CLOSED, flag, integer, mac, name, oneOf } from "./common.ts";
import { type Static, Type } from "./typebox.ts";

/** The IANA VRRP MAC of group 0 (RFC 9568 section 7.3): answers alike on every node, and no device owns it. */
export const DEFAULT_GATEWAY_MAC = "00:00:5e:00:01:00";

/** Threads of the slow path at most: one part of the kernel's table of decisions is the main thread's own. */
export const MAX_WORKERS: number = WEIR_MAX_WORKERS - 1;

export const LimitsSchema = Type.Object(
  {
    flows: Type.Optional(
      integer(
        1024,
        16_777_216,
        "Entries in the flow table of each address family; a flow has two. Both tables take 580 bytes for each, from the start.",
        262_144,
      ),
    ),
    routes: Type.Optional(
      integer(1024, 16_777_216, "Routes of each address family, over all VRFs; memory as used.", 1_048_576),
    ),
    nexthops: Type.Optional(
      integer(1024, 4_194_304, "Next hops, those of interfaces included; 128 bytes each.", 65_536),
    ),
  },
  { ...CLOSED, description: "Sizes of the kernel's tables. Fixed for as long as the instance runs." },
);

export const TimeoutsSchema = Type.Object(
  {
    tcpSynSeconds: Type.Optional(integer(1, 65_535, "Idle time of a TCP flow that is not established.", 20)),
    tcpEstablishedSeconds: Type.Optional(integer(1, 65_535, "Idle time of an established TCP flow.", 3600)),
    tcpFinSeconds: Type.Optional(integer(1, 65_535, "Idle time of a TCP flow after its first FIN.", 30)),
    tcpResetSeconds: Type.Optional(integer(1, 65_535, "Idle time of a TCP flow after RST or both FINs.", 40)),
    udpSeconds: Type.Optional(integer(1, 65_535, "Idle time of a UDP flow.", 60)),
    icmpSeconds: Type.Optional(integer(1, 65_535, "Idle time of an ICMP or ICMPv6 flow.", 5)),
    otherSeconds: Type.Optional(integer(1, 65_535, "Idle time of a flow of any other protocol.", 600)),
  },
  { ...CLOSED, description: "How long a flow may be idle before its entries go." },
);

export const NodeSchema = Type.Object(
  {
    name: Type.Optional(name("Name of the node, for people.")),
    underlay: Type.Optional(
      address(
        "Address of the node in the underlay: source of tunnels that name no other, and of ICMP errors where no gateway address will do (those of the other family come from a fabric device's address).",
      ),
    ),
    gatewayMac: Type.Optional(
      mac(
        `MAC of the gateway on every workload interface, and source MAC of routed frames. Default ${DEFAULT_GATEWAY_MAC}.`,
      ),
    ),
    headless: Type.Optional(
      Type.Object(
        {
          newFlows: oneOf(
            ["drop", "forward"],
            "New flows while no controller runs: drop, or forward without state.",
            "drop",
          ),
        },
        { ...CLOSED, description: "What happens while no controller runs." },
      ),
    ),
    foreignTunnels: Type.Optional(
      oneOf(
        ["pass", "drop"],
        "Tunnel packets for this node whose VNI or label is not in the state. pass: to the host's stack, which may have tunnels of its own. drop: a counted drop.",
        "pass",
      ),
    ),
    bigTcp: Type.Optional(
      flag(
        "Let TCP between workloads of this node use packets of up to 192 KiB (Linux's BIG TCP): Weir raises the limits at both ends of veths on the TC hook that it can reach (`netns`), and restores them. Only while nothing leads into a tunnel (no `underlay`, no next hop of type tunnel), and no further than the fabric interfaces' own `gso_max_size`.",
        true,
      ),
    ),
    limits: Type.Optional(LimitsSchema),
    timeouts: Type.Optional(TimeoutsSchema),
    holdLimit: Type.Optional(
      integer(
        256,
        65_536,
        "Packets that may wait for a decision at a time, of each worker. Fixed while a process runs.",
        8192,
      ),
    ),
    workers: Type.Optional(
      integer(
        1,
        MAX_WORKERS,
        "Threads of the slow path, which take the queues of interfaces in turns; all packets of a flow go to one of them. Each has the memory that `holdLimit` asks for. Fixed while a process runs.",
        1,
      ),
    ),
    workerCpus: Type.Optional(
      Type.Array(integer(0, 8191, "Number of a CPU."), {
        maxItems: 256,
        description:
          "CPUs that the slow path's threads run on: each on one of them, in turns. Empty: on any. Best are such that take no packets from NICs. Fixed while a process runs.",
        expects: "a list of at most 256 numbers of CPUs",
        default: [],
      }),
    ),
    workerPriority: Type.Optional(
      oneOf(
        ["realtime", "ordinary"],
        "realtime: first packets of flows wait for no ordinary program; a thread that is busy all the time is none of real time until it is less busy. ordinary: a high priority among the others. Fixed while a process runs.",
        "realtime",
      ),
    ),
    busyPoll: Type.Optional(
      Type.Object(
        {
          microseconds: integer(
            1,
            100_000,
            "How long a worker looks for packets, after the last one, before it sleeps.",
          ),
          budget: Type.Optional(integer(1, 64, "Packets that the driver takes at a time.", 64)),
        },
        {
          ...CLOSED,
          description:
            "Busy polling: the slow path's workers run the drivers of the queues that interfaces on the XDP hook have to themselves (SO_PREFER_BUSY_POLL). First packets of flows wait for no interrupt; the workers take CPU time meanwhile. Without it they never spin. Fixed while a process runs.",
        },
      ),
    ),
    dropSamplesPerSecond: Type.Optional(
      integer(
        0,
        10_000,
        "Dropped packets a second whose heads are shown to those who read drop events: of the kernel programs on all CPUs together, and again of each worker of the slow path. 0: none. The drop counters have them all.",
        100,
      ),
    ),
  },
  { ...CLOSED, description: "The node itself." },
);

/** Packets that a driver takes at a time where `busyPoll` does not say (NAPI_POLL_WEIGHT). */
export const DEFAULT_BUSY_POLL_BUDGET = 64;

/** The node itself. */
export type Node = Static<typeof NodeSchema>;
/** Sizes of the kernel's tables. */
export type Limits = Static<typeof LimitsSchema>;
/** Idle times of flows, in seconds. */
export type Timeouts = Static<typeof TimeoutsSchema>;

export const DEFAULT_HOLD_LIMIT = 8192;
export const DEFAULT_WORKERS = 1;
export const DEFAULT_WORKER_PRIORITY = "realtime";
export const DEFAULT_DROP_SAMPLES = 100;

export const DEFAULT_LIMITS: Required<Limits> = { flows: 262_144, routes: 1_048_576, nexthops: 65_536 };
export const DEFAULT_TIMEOUTS: Required<Timeouts> = {
  tcpSynSeconds: 20,
  tcpEstablishedSeconds: 3600,
  tcpFinSeconds: 30,
  tcpResetSeconds: 40,
  udpSeconds: 60,
  icmpSeconds: 5,
  otherSeconds: 600,
};
