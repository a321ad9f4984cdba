// SPDX-License-Identifier: Apache-2.0
/** The parts of an open instance, and the one way in which its state changes. */
import { WeirError } from "../errors.ts";
import { withNetns } from "../runtime/netns.ts";
import { checkChanges, type Locate } from "./check/check.ts";
import { deviceState } from "./device/device_state.ts";
import { DeviceWatch } from "./device/device_watch.ts";
import { DropRing, type DropSampleCounters } from "./events/drop_ring.ts";
import { DropSampling } from "./events/drop_samples.ts";
import type { EventHub } from "./events/events.ts";
import { FlowLog } from "./events/flow_log.ts";
import { SlowPathReports } from "./events/reports.ts";
import { type FlowEndCounters, FlowEndRing } from "./flows/flow_end_ring.ts";
import { HostNetwork } from "./host/host_network.ts";
import { HostSettings } from "./host/host_settings.ts";
import { closeParts, type Opened, openParts } from "./instance/open.ts";
import type { OpenOptions } from "./instance/options.ts";
import { removeInstance } from "./instance/remove_instance.ts";
import type { DerivedChange, DerivedFailure } from "./kernel_routes/derived_routes.ts";
import { KernelRoutes } from "./kernel_routes/kernel_routes.ts";
import { DEFAULT_DROP_SAMPLES, NODE_KEY } from "./schema/index.ts";
import { type Change, linesOf } from "./state/change.ts";
import type { StateChanges } from "./state/desired.ts";
import { checkLimits } from "./state/limits.ts";
import { memoryOf } from "./state/memory.ts";
import { readRevision, readState, writeChanges, writeRevision } from "./state/persistence.ts";
import { Staging } from "./state/staging.ts";

/** The difference that a state would make, and what it costs. */
export interface Plan {
  readonly changes: readonly Change[];
  /** Kernel memory that it adds, or gives back (negative), in bytes; an estimate. */
  readonly memoryBytes: number;
  /** Flow entries that it would concern: what they lead to, or whether they are allowed. */
  readonly flows: number;
}

/** Options of a commit. */
export interface CommitOptions {
  /** The revision that the change was made for; another one refuses it. */
  readonly ifRevision?: number | undefined;
}

/** What a commit did. */
export interface Committed {
  readonly revision: number;
  /** The difference, a line for each object. Made when it is first read. */
  readonly changes: Change[];
}

/** An open instance. */
export class Core {
  readonly parts: Opened;
  readonly #watch: DeviceWatch;
  readonly #events: EventHub;
  readonly #drops: DropRing;
  readonly #sampling: DropSampling;
  readonly #flowEnds: FlowEndRing;
  readonly #flowLog: FlowLog;
  /** Told what went wrong that nobody asked for, and what handlers in the workers say. */
  readonly reports: SlowPathReports;
  readonly kernelRoutes: KernelRoutes;
  readonly hostNetwork: HostNetwork;
  #revision: number;
  #closed = false;

  private constructor(parts: Opened, events: EventHub, kernelRoutes: KernelRoutes, reports: SlowPathReports) {
    this.parts = parts;
    this.kernelRoutes = kernelRoutes;
    this.reports = reports;
    this.#revision = readRevision(parts.store);
    this.#watch = new DeviceWatch({
      netlink: parts.devices.netlink,
      live: parts.live,
      followed: parts.followed,
      devicesChanged: (gone, interfaces) => this.#devicesChanged(gone, interfaces),
      pathsChanged: (nexthops) => this.#unasked(() => this.#refresh([], nexthops)),
      fabric: parts.reconciler,
      refreshAddresses: () => this.#unasked(() => this.parts.reconciler.refreshAddresses()),
    });
    this.#events = events;
    this.#drops = new DropRing(parts.pipeline.maps);
    const { slowPath, names } = parts;
    const { config } = parts.tables;
    this.#flowEnds = new FlowEndRing(parts.pipeline.maps);
    this.#flowLog = new FlowLog({ ring: this.#flowEnds, config, slowPath, names, events });
    this.#sampling = new DropSampling({
      ring: this.#drops,
      config,
      slowPath,
      names,
      events,
      perSecond: () => parts.state.get("node", NODE_KEY)?.dropSamplesPerSecond ?? DEFAULT_DROP_SAMPLES,
    });
    parts.moved.notify = (target) => this.#watch.pathsMoved(target);
    this.hostNetwork = new HostNetwork({
      netlink: parts.devices.netlink,
      state: parts.state,
      live: parts.live,
      ids: parts.ids,
      nexthops: parts.tables.nexthops,
      settings: new HostSettings(parts.store),
      onFailure: reports.onFailure,
    });
    this.#unasked(() => this.hostNetwork.resume());
    kernelRoutes.start((changes) => this.#commitDerived(changes));
  }

  /** Opens an instance and makes the kernel what its store says. Resolves when its first packet would not wait. */
  static async open(o: OpenOptions, events: EventHub): Promise<Core> {
    const reports = new SlowPathReports(events, o.onFailure);
    const parts = openParts(o, reports);
    reports.names = parts.names;
    const kernelRoutes = new KernelRoutes({
      netlink: parts.devices.netlink,
      state: parts.state,
      live: parts.live,
      room: (family) => parts.limits.routes - parts.reconciler.routeCounts[family],
      onFailure: reports.onFailure,
    });
    try {
      withNetns(parts.netns, () => {
        parts.state.begin();
        parts.ids.begin();
        readState(parts.store, parts.state);
        kernelRoutes.resume();
        parts.reconciler.resume(parts.state.changes());
        parts.state.keep();
        parts.store.transaction((writer) => parts.ids.writeTo(writer));
      });
      // Only now: kernel programs that an earlier process left are handing out packets, and policy must be there.
      // Outside of the namespace: the threads would stay in it.
      parts.slowPath.run();
      await parts.slowPath.ready();
      return new Core(parts, events, kernelRoutes, reports);
    } catch (error) {
      kernelRoutes[Symbol.dispose]();
      closeParts(parts);
      throw error;
    }
  }

  /** Counts up with each change. */
  get revision(): number {
    return this.#revision;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Brings a staging into state, store and kernel: all of it, or nothing.
   * @throws WeirError `EREVISION`, `EINVALIDSTATE`, `EREFERENCED`, `EEXIST`, `ENOENT`, `ETABLEFULL`, or what the kernel says.
   */
  commit(staging: Staging, o: CommitOptions = {}): Committed {
    return this.#staged(staging, o, (changes, locate, lines) => {
      const { store, ids } = this.parts;
      if (changes.isEmpty) return { revision: this.#revision, changes: [] };
      this.#carryOut(changes, locate, () => {
        store.transaction((writer) => {
          writeChanges(writer, changes);
          ids.writeTo(writer);
          writeRevision(writer, this.#revision + 1);
        });
        this.#revision++;
      });
      this.#sampling.refresh();
      return committed(this.#revision, lines);
    });
  }

  /** Brings changes into the kernel and, by `store`, to where they outlive the process: both, or neither. */
  #carryOut(changes: StateChanges, locate: Locate, store: () => void): void {
    const { reconciler, ids, revalidation, state } = this.parts;
    const applied = reconciler.apply(changes, locate);
    try {
      store();
    } catch (error) {
      applied.undo();
      throw error;
    }
    const follow = [this.kernelRoutes.following(changes), this.hostNetwork.following(changes)];
    state.keep();
    ids.keep();
    revalidation.revalidate(applied.keep());
    for (const step of follow) step();
  }

  /** Brings in what the kernel's tables say: no change of the state that anybody wrote, so the revision stays. */
  #commitDerived(changes: readonly DerivedChange[]): readonly DerivedFailure[] {
    if (this.#closed || changes.length === 0) return [];
    try {
      this.#bringDerived(changes);
      return [];
    } catch (error) {
      const [change] = changes;
      if (change === undefined || changes.length === 1) return change === undefined ? [] : [{ change, error }];
      // What can be brought in is not to suffer from what cannot.
      const half = changes.length >> 1;
      return [...this.#commitDerived(changes.slice(0, half)), ...this.#commitDerived(changes.slice(half))];
    }
  }

  #bringDerived(changes: readonly DerivedChange[]): void {
    const { store, ids, state, netns } = this.parts;
    const staging = Staging.ofKernel();
    for (const { kind, key, put } of changes) {
      if (put === undefined) staging.delete(kind, key);
      else staging.put(kind, put);
    }
    withNetns(netns, () =>
      this.#journalled(() => {
        const locate = staging.bringInto(state);
        const differences = state.changes();
        checkChanges(state, differences, locate);
        this.#carryOut(differences, locate, () => {
          if (ids.changed) store.transaction((writer) => ids.writeTo(writer));
        });
      }),
    );
  }

  /** What `commit` would do. Errors are the same, as far as they can be known before. */
  plan(staging: Staging, o: CommitOptions = {}): Plan {
    return this.#staged(staging, o, (changes, locate, lines) => ({
      changes: lines(),
      memoryBytes: memoryOf(changes.routes),
      flows: this.parts.revalidation.count(this.parts.reconciler.foresee(changes, locate)),
    }));
  }

  /** Runs `use` on the state with the staging in it; what `use` does not keep is rolled back. */
  #staged<T>(
    staging: Staging,
    o: CommitOptions,
    use: (changes: StateChanges, locate: Locate, lines: () => Change[]) => T,
  ): T {
    this.requireOpen();
    if (o.ifRevision !== undefined && o.ifRevision !== this.#revision) {
      throw new WeirError({
        code: "EREVISION",
        operation: "commit the transaction",
        reason: `it was made for revision ${o.ifRevision}, and the state is at ${this.#revision}`,
        hint: "read the state again",
      });
    }
    const { state, netns } = this.parts;
    return withNetns(netns, () =>
      this.#journalled(() => {
        const locate = staging.bringInto(state);
        this.kernelRoutes.withdraw();
        const changes = state.changes();
        checkChanges(state, changes, locate);
        checkLimits(changes.objects, this.parts);
        return use(changes, locate, linesOf(changes));
      }),
    );
  }

  /** Runs `act` on the state; what it does not keep is rolled back. */
  #journalled<T>(act: () => T): T {
    const { state, ids } = this.parts;
    state.begin();
    ids.begin();
    try {
      return act();
    } finally {
      // Nothing is left to roll back where `act` kept it.
      state.rollBack();
      ids.rollBack();
    }
  }

  #devicesChanged(gone: Iterable<string>, interfaces: Iterable<string>): void {
    this.#unasked(() => {
      const names = new Set([...gone, ...interfaces]);
      this.#tell(this.parts.reconciler.lose(gone, names));
      this.#tell(this.#refresh(names, []));
      this.kernelRoutes.devicesChanged();
      this.hostNetwork.devicesChanged();
    });
  }

  #tell(names: Iterable<string>): void {
    for (const name of names) {
      const live = this.parts.live.get(name);
      if (live !== undefined) this.#events.emit({ kind: "interface", interface: name, ...deviceState(live) });
    }
  }

  /** @returns names of the interfaces that changed. */
  #refresh(interfaces: Iterable<string>, nexthops: readonly string[]): ReadonlySet<string> {
    const { reconciler, ids, revalidation, store } = this.parts;
    ids.begin();
    const { stale, changed } = reconciler.refresh(interfaces, nexthops);
    // Paths over the fabric that came and went had, and have, numbers.
    if (ids.changed) store.transaction((writer) => ids.writeTo(writer));
    ids.keep();
    revalidation.revalidate(stale);
    return changed;
  }

  /** What became of the kernel programs' drops while samples were wanted. */
  get dropSamples(): DropSampleCounters {
    return this.#drops.counters();
  }

  /** What became of the ends of flows while somebody read them. */
  get flowEnds(): FlowEndCounters {
    return this.#flowEnds.counters();
  }

  /** Takes over what the kernel programs have learned since the last call. */
  takeLearned(): void {
    this.#unasked(() => this.parts.reconciler.takeLearned());
  }

  /** Does something that nobody asked for, from a timer: there is nobody to throw to. */
  #unasked(act: () => void): void {
    if (this.#closed) return;
    try {
      withNetns(this.parts.netns, act);
    } catch (error) {
      this.reports.onFailure(error instanceof Error ? error.message : String(error));
    }
  }

  /** @throws WeirError `ECLOSED` */
  requireOpen(): void {
    if (!this.#closed) return;
    throw new WeirError({
      code: "ECLOSED",
      operation: `use instance "${this.parts.paths.name}"`,
      reason: "it is closed",
    });
  }

  /** Ends the process's part; the kernel goes on. */
  close(): void {
    if (this.#end()) closeParts(this.parts);
  }

  /** Takes everything out of the kernel and off the disk. */
  destroy(): void {
    if (!this.#closed) this.kernelRoutes.leaveTables();
    if (!this.#end()) return;
    const { stack, paths, netns, store, lock } = this.parts;
    stack.dispose();
    removeInstance(paths, netns, store);
    lock.remove();
  }

  #end(): boolean {
    if (this.#closed) return false;
    this.#closed = true;
    this.kernelRoutes[Symbol.dispose]();
    this.hostNetwork[Symbol.dispose]();
    this.#watch[Symbol.dispose]();
    this.#sampling[Symbol.dispose]();
    this.#flowLog[Symbol.dispose]();
    return true;
  }
}

/** Keeps nothing of the transaction but what its lines need. */
function committed(revision: number, lines: () => Change[]): Committed {
  return {
    revision,
    get changes() {
      return lines();
    },
  };
}
