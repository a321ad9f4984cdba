// SPDX-License-Identifier: Apache-2.0
/** Opens the parts of an instance in the order in which they need each other. */
import { existsSync } from "node:fs";
import { configCodec } from "../../layout/index.ts";
import { namespacePath } from "../../netlink/index.ts";
import { withNetns } from "../../runtime/netns.ts";
import { selfTest } from "../../runtime/selftest.ts";
import { DEFAULT_FRAMES, SlowPath, type SlowPathOptions } from "../../slowpath/index.ts";
import { MemoryStore, SqliteStore, type Store } from "../../store/index.ts";
import { TakenTraps } from "../controller/taken_traps.ts";
import { Attacher } from "../device/attach.ts";
import { Devices } from "../device/devices.ts";
import { directPorts } from "../device/direct_ports.ts";
import { LiveInterfaces } from "../device/live_interfaces.ts";
import { LostDevices } from "../device/lost_devices.ts";
import { RaisedPacketLimits } from "../device/packet_limits.ts";
import { PeerFeatures } from "../device/peer_features.ts";
import { preflight } from "../device/preflight.ts";
import { ReplacedXdp } from "../device/replaced_xdp.ts";
import { Tuning } from "../drivers/index.ts";
import { FlowDecider } from "../flows/decider.ts";
import { DecisionRecords } from "../flows/decision_records.ts";
import { FlowLook } from "../flows/flow_look.ts";
import { Flows } from "../flows/flows.ts";
import { PolicyReview } from "../flows/policy_review.ts";
import { Revalidation } from "../flows/revalidation.ts";
import { WayReview } from "../flows/way_review.ts";
import { KernelTables } from "../kernel/tables.ts";
import type { Parts } from "../reconcile/context.ts";
import { Followed } from "../reconcile/followed.ts";
import { Policies } from "../reconcile/policies.ts";
import { Reconciler } from "../reconcile/reconciler.ts";
import { RouteLookup } from "../reconcile/route_lookup.ts";
import { Ways } from "../reconcile/ways.ts";
import { DEFAULT_BUSY_POLL_BUDGET, DEFAULT_HOLD_LIMIT, type Node } from "../schema/index.ts";
import { DesiredState } from "../state/desired.ts";
import { Ids } from "../state/ids.ts";
import { Names } from "../status/names.ts";
import { Underlay, type UnderlayTarget } from "../underlay/index.ts";
import { writeInstanceConfig } from "./config.ts";
import { type InstancePaths, instancePaths } from "./instance.ts";
import { loadPipeline, type Pipeline } from "./loader.ts";
import { InstanceLock } from "./lock.ts";
import type { OpenOptions } from "./options.ts";
import { removeInstance } from "./remove_instance.ts";
import { TrapLink } from "./trap_link.ts";
import { type Workers, workersOf } from "./workers.ts";

/** Frames that the slow path wants for each packet that may wait: the others are under way or in rings. */
const FRAMES_PER_HOLD = 4;

/** Queues with sockets of their own that a worker has room for; interfaces beyond use the trap link. */
const DIRECT_QUEUES = 16;

/** What the slow path tells of by itself. */
export type Reports = Pick<SlowPathOptions, "onLog" | "onDrop" | "onMiss" | "onLost" | "onMessage" | "onFailure">;

/** Where it is told that the paths over the fabric changed. */
export interface PathsMoved {
  notify: ((target: UnderlayTarget) => void) | undefined;
}

/** The parts of an open instance. */
export interface Opened extends Parts, Workers {
  readonly paths: InstancePaths;
  /** Path of the node's namespace. */
  readonly netns: string | undefined;
  readonly store: Store;
  readonly lock: InstanceLock;
  /** Packets that may wait for a decision. */
  readonly holdLimit: number;
  /** Of the queues that interfaces have to themselves. */
  readonly busyPoll: Node["busyPoll"];
  readonly pipeline: Pipeline;
  readonly names: Names;
  readonly reconciler: Reconciler;
  readonly flows: Flows;
  readonly revalidation: Revalidation;
  readonly moved: PathsMoved;
  /** All but store and lock. */
  readonly stack: DisposableStack;
}

/**
 * Nothing is decided yet: the slow path's workers are to be started when policy is in force.
 * @throws WeirError for all that `preflight` finds, `ESELFTEST`, `EBUSY`, `ESTORE`, and what the kernel refuses.
 */
export function openParts(o: OpenOptions, reports: Reports): Opened {
  const paths = instancePaths(o.instance ?? "default", o.store === false ? undefined : o.store);
  preflight(paths.name);
  selfTest();
  const lock = InstanceLock.take(paths.lock, paths.name);
  const isNew = !existsSync(paths.pins) && !existsSync(paths.store);
  let store: Store | undefined;
  const stack = new DisposableStack();
  try {
    store = o.store === false ? new MemoryStore() : SqliteStore.open(paths.store);
    const netns = namespacePath(o.netns);
    const workers = workersOf(o, persistedNode(store));
    const holdLimit = o.holdLimit ?? persistedNode(store).holdLimit ?? DEFAULT_HOLD_LIMIT;
    const busyPoll = o.busyPoll ?? persistedNode(store).busyPoll;
    const early = { paths, netns, store, lock, stack, ...workers, holdLimit, busyPoll };
    const kernel = withNetns(netns, () => openKernel(o, early));
    const slowPath = openSlowPath(early, kernel, reports);
    configCodec.trapBytes.set(kernel.tables.config.view, 0, slowPath.largestPacket);
    return { ...early, ...kernel, ...wire(early, kernel, slowPath), slowPath };
  } catch (error) {
    stack.dispose();
    // Nothing is to stay of an instance that never came to be.
    if (isNew) {
      removeInstance(paths, namespacePath(o.netns), store);
      lock.remove();
    } else {
      store?.[Symbol.dispose]();
      lock[Symbol.dispose]();
    }
    throw error;
  }
}

type Early = Pick<Opened, keyof Workers | "paths" | "netns" | "store" | "lock" | "stack" | "holdLimit" | "busyPoll">;
type Kernel = Pick<Opened, "devices" | "pipeline" | "tables" | "trapLink">;

function openKernel(o: OpenOptions, { paths, netns, store, stack, workers }: Early): Kernel {
  const devices = stack.use(new Devices(netns));
  const pipeline = stack.use(loadPipeline(paths, o.limits ?? persistedNode(store).limits ?? {}));
  const tables = stack.use(new KernelTables(pipeline.maps));
  const trapLink = stack.use(TrapLink.open({ paths, devices, pipeline, netns, queues: workers }));
  const halfOpen = pipeline.maps.half_open.maxEntries;
  writeInstanceConfig(tables.config, { workers, trapIfindex: trapLink.near.index, halfOpen });
  return { devices, pipeline, tables, trapLink };
}

function openSlowPath(early: Early, { pipeline, trapLink }: Kernel, reports: Reports): SlowPath {
  const { holdLimit, busyPoll } = early;
  const { name, index } = trapLink.far;
  const slowPath = SlowPath.open({
    netns: early.netns,
    maps: pipeline.maps,
    flowUpdate: pipeline.program("weir_flow_update"),
    trapDevice: { name, ifindex: index, queues: early.workers },
    scheduling: { cpus: early.workerCpus, realtime: early.workerPriority === "realtime" },
    busyPoll: busyPoll === undefined ? undefined : { budget: DEFAULT_BUSY_POLL_BUDGET, ...busyPoll },
    limits: { frames: Math.max(DEFAULT_FRAMES, FRAMES_PER_HOLD * holdLimit), holdLimit, directPorts: DIRECT_QUEUES },
    workerModule: "sdk/dataplane/controller/worker.ts",
    ...reports,
  });
  early.stack.use(slowPath);
  return slowPath;
}

type Wired = Omit<Opened, keyof Early | keyof Kernel | "slowPath">;

function wire({ paths, netns, store, stack, workers }: Early, kernel: Kernel, slowPath: SlowPath): Wired {
  const { pipeline, tables, devices, trapLink } = kernel;
  const moved: PathsMoved = { notify: undefined };
  const underlay = stack.use(Underlay.open({ netns, onChange: (target) => moved.notify?.(target) }));
  const ids = new Ids(tables.interfaces.length, tables.nexthops.length, tables.vrfs.length);
  ids.restore(store);
  const policies = new Policies(slowPath);
  const attacher = new Attacher(pipeline, paths);
  const live = new LiveInterfaces();
  stack.defer(() => {
    for (const { attachment } of live.values()) if (attachment !== undefined) attacher.release(attachment);
  });
  const parts: Parts = {
    state: new DesiredState(),
    ids,
    tables,
    devices,
    attacher,
    peers: new PeerFeatures(store),
    packetLimits: new RaisedPacketLimits(store),
    tuning: new Tuning(store, "tuned"),
    replacedXdp: new ReplacedXdp(store, paths),
    lostDevices: new LostDevices(store),
    followed: new Followed(underlay),
    ways: new Ways(),
    policies,
    trapLink,
    direct: directPorts(slowPath, DIRECT_QUEUES * workers),
    slowPath,
    takenTraps: new TakenTraps(tables.interfaces, live),
    limits: pipeline.limits,
    workers,
    live,
  };
  const update = pipeline.program("weir_flow_update");
  const lookup = new RouteLookup(tables, ids);
  const records = stack.use(new DecisionRecords(pipeline.maps.decisions, update));
  const decider = new FlowDecider(records, lookup, () => policies.revision);
  const flows = new Flows(pipeline.maps, ids, policies, decider, records);
  const look = new FlowLook(pipeline.maps, records);
  const revalidation = new Revalidation(new PolicyReview(look, slowPath), new WayReview(look, slowPath));
  return { ...parts, moved, flows, revalidation, names: new Names(ids, policies), reconciler: new Reconciler(parts) };
}

/** Ends the process's part; the kernel goes on. */
export function closeParts({ stack, store, lock }: Opened): void {
  stack.dispose();
  store[Symbol.dispose]();
  lock[Symbol.dispose]();
}

/** The node in the store: its tables were made with its limits. */
function persistedNode(store: Store): Node {
  for (const { kind, json } of store.objects()) if (kind === "node") return JSON.parse(json) as Node;
  return {};
}
