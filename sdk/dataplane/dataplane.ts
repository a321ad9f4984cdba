// SPDX-License-Identifier: Apache-2.0
import type { TrapReason } from "../layout/index.ts";
import type { FlowMissOptions } from "./controller/flow_miss.ts";
import type { FlowMissModule, ModuleLocation } from "./controller/handler_module.ts";
import { Handlers } from "./controller/handlers.ts";
import { type InjectAs, injection } from "./controller/inject.ts";
import type { FlowMissHandler } from "./controller/miss.ts";
import type { PacketMatch } from "./controller/packet_match.ts";
import type { PacketHandler, PacketOptions } from "./controller/packets.ts";
import { type CommitOptions, Core, type Plan } from "./core.ts";
import { type DataPlaneEvent, EventHub, type EventKind, type EventOptions } from "./events/events.ts";
import { kernelEvents } from "./events/kernel_events.ts";
import { Ageing } from "./flows/ageing.ts";
import { FlowSweep } from "./flows/sweep.ts";
import type { Flow, FlowKey, FlowResult, FlowSelector, FlowSetting } from "./flows/types.ts";
import type { OpenOptions } from "./instance/options.ts";
import { ageLearned } from "./reconcile/bridge_ageing.ts";
import type { State } from "./schema/index.ts";
import { DEFAULT_OWNER } from "./state/candidate.ts";
import type { Change } from "./state/change.ts";
import { stateOf } from "./state/read_state.ts";
import { Staging } from "./state/staging.ts";
import { Transaction, type TransactionOptions } from "./state/transaction.ts";
import { Counters, type DropCount } from "./status/counters.ts";
import { type DropGroup, dropsOf } from "./status/drops.ts";
import { type Tables, tables } from "./status/status.ts";
import { type Usage, usageOf } from "./status/usage.ts";
import type { PacketFields } from "./trace/frame.ts";
import { Tracer } from "./trace/tracer.ts";
import type { Trace } from "./trace/types.ts";

/** Options of `apply` and `plan`. */
export interface ApplyOptions {
  /** Whose state it is. Default `state`. Other owners' objects are left alone. */
  readonly owner?: string | undefined;
  /** Tell what would change, and change nothing. */
  readonly dryRun?: boolean | undefined;
  /** The revision that the state was made for; another one refuses it. */
  readonly ifRevision?: number | undefined;
}

/** The flows of an instance. */
export interface FlowTable {
  /**
   * Sets flows, both directions of each, whatever policy says.
   * @returns for each: ok, or why not.
   */
  set(batch: readonly FlowSetting[]): FlowResult[];
  /** One direction of a flow. */
  get(key: FlowKey): Flow | undefined;
  /** Deletes flows with their other direction; the next packet is decided again. @returns entries deleted */
  delete(selector: FlowSelector): number;
  /** One entry a direction, in no order. */
  entries(selector?: FlowSelector): Iterable<Flow>;
}

/**
 * The data plane of a node: kernel programs that forward, and the slow path that decides what they cannot.
 *
 * ```ts
 * await using dp = await DataPlane.open({ instance: "demo" });
 * await dp.apply({
 *   vrfs: [{ name: "red" }],
 *   interfaces: [{ name: "veth-a", role: "workload", vrf: "red", addresses: ["10.97.0.1"] }],
 * });
 * ```
 *
 * Disposing closes it: the kernel forwards on, and the next `open` takes over. `destroy` takes everything away.
 */
export class DataPlane implements AsyncDisposable {
  /** Objects with owner and live status: `tables.routes.get({ vrf, prefix })`. */
  readonly tables: Tables;
  readonly flows: FlowTable;
  readonly #core: Core;
  readonly #events: EventHub;
  readonly #counters: Counters;
  readonly #sweep: FlowSweep;
  readonly #ageing: Ageing;
  readonly #handlers: Handlers;
  readonly #tracer: Tracer;

  private constructor(core: Core, events: EventHub) {
    const { pipeline, flows } = core.parts;
    const { config } = core.parts.tables;
    this.#core = core;
    this.#events = events;
    this.#counters = new Counters(pipeline.maps);
    this.#sweep = new FlowSweep(pipeline.program("weir_flow_sweep"), config.view);
    this.#ageing = new Ageing(
      this.#sweep,
      () => {
        core.takeLearned();
        ageLearned(core.parts);
      },
      core.reports.onFailure,
    );
    this.#handlers = new Handlers(core.parts, events, core.reports);
    this.#tracer = new Tracer(core.parts);
    this.tables = tables(core, this.#counters);
    this.flows = {
      set: (batch) => flows.set(batch),
      get: (key) => flows.get(key),
      delete: (selector) => flows.delete(selector),
      entries: (selector) => flows.entries(selector),
    };
  }

  /**
   * Opens an instance: loads the programs, or takes over what an earlier process left running, and makes the kernel
   * what the persisted state says. Interfaces whose devices are not there wait for them.
   * @throws WeirError `EBUSY` when another controller runs it; `EPERM`, `EKERNEL`, `ENOLIB`, `ENOBPFFS`, `ESELFTEST` when this
   *   machine cannot; `ELIMITS`, `EABI` when what runs does not fit. Nothing is changed then.
   */
  static async open(o: OpenOptions = {}): Promise<DataPlane> {
    const hub = new EventHub();
    hub.addSource((kinds, reader) => kernelEvents(kinds, reader, o.netns));
    return new DataPlane(await Core.open(o, hub), hub);
  }

  /** Counts up with each change of the state. */
  get revision(): number {
    return this.#core.revision;
  }

  /**
   * Makes an owner's objects those of `state`, all or nothing.
   * @param state a state document, as parsed from YAML or JSON.
   * @returns the difference, a line each, when the kernel has it.
   * @throws WeirError as `Transaction.commit` does.
   */
  async apply(state: unknown, o: ApplyOptions = {}): Promise<readonly Change[]> {
    if (o.dryRun === true) return (await this.plan(state, o)).changes;
    return this.#core.commit(this.#staging(state, o), commitOptions(o)).changes;
  }

  /** What `apply` would change, and what it would cost. */
  async plan(state: unknown, o: ApplyOptions = {}): Promise<Plan> {
    return this.#core.plan(this.#staging(state, o), commitOptions(o));
  }

  #staging(state: unknown, o: ApplyOptions): Staging {
    return Staging.ofState(state, o.owner ?? DEFAULT_OWNER);
  }

  /** An owner's state document: what `apply` would have to be given to change nothing. */
  state(o: { readonly owner?: string | undefined } = {}): State {
    return stateOf(this.#core.parts.state, o.owner ?? DEFAULT_OWNER);
  }

  /** Puts and deletes that become real together. */
  transaction(o: TransactionOptions = {}): Transaction {
    return new Transaction(this.#core, o);
  }

  /**
   * Has a module decide the flows that policy leaves to the controller, in the threads of the slow path's workers: no
   * other thread is between a packet and its verdict. It exports a function `onFlowMiss`, a `FlowMissHandler`, which
   * gets the flows of one poll at once. Each worker has an instance of it. See docs/controller.md.
   * @param module `new URL("./decide.ts", import.meta.url)`, or an absolute path.
   */
  onFlowMiss(module: ModuleLocation, o?: FlowMissOptions): FlowMissModule;
  /**
   * Registers who decides the flows that policy leaves to the controller (action or default `ask`, or `policies: []`).
   * There can be one. Disposing takes it away. Where the handler throws, or its promise is rejected, `otherwise` decides
   * what it left undecided, and an event `handler-error` tells of it.
   */
  onFlowMiss(decide: FlowMissHandler, o?: FlowMissOptions): Disposable;
  onFlowMiss(decide: FlowMissHandler | ModuleLocation, o: FlowMissOptions = {}): Disposable {
    const { misses } = this.#handlers;
    return typeof decide === "function" ? misses.handle(decide, o) : misses.handleInWorkers(decide, o);
  }

  /**
   * Registers for packets: those that are trapped for a reason, which the slow path then does not answer itself, or all
   * that look as the match says, also of established flows (docs/controller.md).
   */
  onPacket(match: TrapReason | PacketMatch, handle: PacketHandler, o: PacketOptions = {}): Disposable {
    return this.#handlers.packets.handle(match, handle, o);
  }

  /**
   * Sends a frame, from its Ethernet header on: out of an interface as it is, as if an interface had received it, or
   * routed in a VRF.
   * @returns false when too many frames are under way.
   */
  inject(frame: Uint8Array, as: InjectAs): boolean {
    return this.#core.parts.slowPath.inject(frame, injection(as, this.#core.parts.names));
  }

  /**
   * Events from this call on. Drop events are samples of the dropped packets (`node.dropSamplesPerSecond`), taken while
   * there is a reader. A reader that is too slow loses some, and gets a `lost` event with their number. */
  events(kinds: readonly EventKind[], o: EventOptions = {}): AsyncIterable<DataPlaneEvent> {
    return this.#events.subscribe(kinds, o);
  }

  /** Dropped packets, by interface and reason, or summed by one of them. */
  drops(by: DropGroup = "interface-reason"): DropCount[] {
    return dropsOf(this.#core.parts, this.#counters, by);
  }

  /**
   * Where a packet would go, stage by stage: the answer of the kernel programs themselves, and of the slow path where a
   * new flow would be decided. Nothing is sent, and no table, flow or counter changes. The first call takes some tenths
   * of a second, in which a second load of the programs is made; it is kept for a minute.
   * @param name of the interface that receives the packet.
   * @param packet a frame from its Ethernet header on, 14 to 3500 bytes, or the fields to build one from.
   * @throws WeirError `ENOENT`, `ENODEV` when the interface waits for its device, `EMSGSIZE`, `EINVAL` for a field.
   */
  trace(name: string, packet: Uint8Array | PacketFields): Trace {
    this.#core.requireOpen();
    return this.#tracer.trace(name, packet);
  }

  /** How full the kernel's tables are, and what the slow path did. */
  usage(): Usage {
    return usageOf(this.#core.parts, this.#sweep.last, this.#core, this.#handlers.failures);
  }

  /** Ends the process's part. The kernel forwards on; what needs a decision is dropped until the next `open`. */
  async close(): Promise<void> {
    this.#end();
    this.#core.close();
  }

  /** Detaches and removes everything, the desired state too, and restores what was changed. */
  async destroy(): Promise<void> {
    this.#end();
    this.#core.destroy();
  }

  #end(): void {
    this.#ageing[Symbol.dispose]();
    this.#tracer[Symbol.dispose]();
    this.#handlers[Symbol.dispose]();
    this.#events.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

const commitOptions = (o: ApplyOptions): CommitOptions => ({ ifRevision: o.ifRevision });
