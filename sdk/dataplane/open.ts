// SPDX-License-Identifier: Apache-2.0
/** Opens the parts of an instance in the order in which they need each other. */
import { WeirError } from "../errors.ts";
import { namespacePath } from "../netlink/index.ts";
import { withNetns } from "../runtime/netns.ts";
import { SlowPath } from "../slowpath/index.ts";
import { MemoryStore, SqliteStore, type Store } from "../store/index.ts";
import { Attacher } from "./attach.ts";
import { writeInstanceConfig } from "./config.ts";
import { DesiredState } from "./desired.ts";
import { Devices } from "./devices.ts";
import { directPorts } from "./direct_ports.ts";
import { FlowDecider, MAX_WORKERS } from "./flows/decider.ts";
import { Flows } from "./flows/flows.ts";
import { Ids } from "./ids.ts";
import { type InstancePaths, instancePaths } from "./instance.ts";
import { KernelTables } from "./kernel/tables.ts";
import type { LiveInterface } from "./live.ts";
import { loadPipeline, type Pipeline } from "./loader.ts";
import { InstanceLock } from "./lock.ts";
import { Neighbours } from "./neighbours.ts";
import type { OpenOptions } from "./options.ts";
import { PeerSettings } from "./peer_settings.ts";
import { Policies } from "./policies.ts";
import { preflight } from "./preflight.ts";
import type { Parts } from "./reconcile/context.ts";
import { Reconciler } from "./reconcile/reconciler.ts";
import { RouteLookup } from "./route_lookup.ts";
import type { Limits } from "./schema/index.ts";
import { TrapLink } from "./trap_link.ts";

/** The parts of an open instance. */
export interface Opened extends Parts {
  readonly paths: InstancePaths;
  /** Path of the node's namespace. */
  readonly netns: string | undefined;
  readonly store: Store;
  readonly lock: InstanceLock;
  readonly pipeline: Pipeline;
  readonly slowPath: SlowPath;
  readonly reconciler: Reconciler;
  readonly flows: Flows;
  /** All but store and lock. */
  readonly stack: DisposableStack;
}

/** @throws WeirError for all that `preflight` finds, `EBUSY`, `ESTORE`, and what the kernel refuses. */
export function openParts(o: OpenOptions): Opened {
  const paths = instancePaths(o.instance ?? "default");
  const workers = checkWorkers(o.workers ?? 1, paths.name);
  preflight(paths.name);
  const lock = InstanceLock.take(paths.lock, paths.name);
  let store: Store | undefined;
  const stack = new DisposableStack();
  try {
    store = o.store === false ? new MemoryStore() : SqliteStore.open(o.store ?? paths.store);
    const netns = namespacePath(o.netns);
    const opened = { paths, netns, store, lock, stack, workers };
    const parts = withNetns(netns, () => openKernel(o, opened));
    return { ...parts, ...opened };
  } catch (error) {
    stack.dispose();
    store?.[Symbol.dispose]();
    lock[Symbol.dispose]();
    throw error;
  }
}

type Early = Pick<Opened, "paths" | "netns" | "store" | "lock" | "stack" | "workers">;

function openKernel(o: OpenOptions, early: Early): Omit<Opened, keyof Early> {
  const { paths, netns, store, stack, workers } = early;
  const devices = stack.use(new Devices(netns));
  const pipeline = stack.use(loadPipeline(paths, o.limits ?? persistedLimits(store)));
  const tables = stack.use(new KernelTables(pipeline.maps));
  const trapLink = stack.use(TrapLink.open({ paths, devices, pipeline, netns, queues: workers }));
  writeInstanceConfig(tables.config, { workers, trapIfindex: trapLink.near.index });
  const slowPath = SlowPath.start({
    netns,
    maps: pipeline.maps,
    flowUpdate: pipeline.program("weir_flow_update"),
    trapDevice: { name: trapLink.far.name, ifindex: trapLink.far.index, queues: workers },
    limits: { frames: o.frames ?? 8192, frameSize: 4096, holdLimit: 8192 },
  });
  stack.defer(() => slowPath.close());
  const ids = new Ids(tables.interfaces.length, tables.nexthops.length);
  ids.restore(store);
  const policies = new Policies((table) => slowPath.setPolicy(table));
  const attacher = new Attacher(pipeline, paths);
  const live = new Map<string, LiveInterface>();
  stack.defer(() => {
    for (const { attachment } of live.values()) if (attachment !== undefined) attacher.release(attachment);
  });
  const parts: Parts = {
    state: new DesiredState(),
    ids,
    tables,
    devices,
    attacher,
    peers: new PeerSettings(store),
    neighbours: new Neighbours(devices.netlink),
    policies,
    trapLink,
    direct: directPorts(slowPath),
    limits: pipeline.limits,
    workers,
    live,
  };
  const update = pipeline.program("weir_flow_update");
  const decider = stack.use(
    new FlowDecider(pipeline.maps.decisions, update, new RouteLookup(tables, ids), () => policies.revision),
  );
  const flows = new Flows(pipeline.maps, ids, policies, decider);
  return { ...parts, pipeline, slowPath, flows, reconciler: new Reconciler(parts) };
}

/** The limits of the node in the store: those that its tables were made with. */
function persistedLimits(store: Store): Limits {
  for (const { kind, json } of store.objects()) {
    if (kind === "node") return (JSON.parse(json) as { limits?: Limits }).limits ?? {};
  }
  return {};
}

function checkWorkers(workers: number, instance: string): number {
  if (Number.isInteger(workers) && workers >= 1 && workers <= MAX_WORKERS) return workers;
  throw new WeirError({
    code: "EINVAL",
    operation: `open instance "${instance}"`,
    reason: `workers is ${workers}`,
    hint: `give a number from 1 to ${MAX_WORKERS}`,
  });
}
