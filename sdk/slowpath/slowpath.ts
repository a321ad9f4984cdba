// SPDX-License-Identifier: Apache-2.0
/** The slow path of a node: its workers, the flows that the controller decides, and the packets that it takes. */

import { isMapped } from "../address.ts";
import { WeirError } from "../errors.ts";
import {
  AskingValue,
  type InjectAction,
  RuleActionValue,
  type TrapReason,
  TrapReasonValue,
  WEIR_MAX_WORKERS,
  workerControlCodec,
} from "../layout/index.ts";
import { withNetns } from "../runtime/netns.ts";
import type { XskMode } from "../xsk/index.ts";
import { type AskHandler, Deliveries, type TrapHandler } from "./deliveries.ts";
import { countDrops, type SlowPathDrop } from "./drop_counts.ts";
import type { FlowReview } from "./flow_review.ts";
import { hostOptions } from "./host_options.ts";
import { Judge, type JudgedPacket, type Judgement } from "./judge.ts";
import type { PolicyImage, PolicyRoom } from "./policy/types.ts";
import type { PortStatistics } from "./port_table.ts";
import type { AskOptions, DirectPort, HostOptions, InjectAs, SlowPathCounters, SlowPathOptions } from "./types.ts";
import { WorkerHost } from "./worker_host.ts";

const INJECT_ACTIONS: readonly InjectAction[] = ["received", "transmit", "route"];
const COUNTERS = [
  "polls",
  "packets",
  "decided",
  "allowed",
  "denied",
  "rejected",
  "asked",
  "timeouts",
  "injected",
  "errorsSent",
  "errorsLimited",
  "solicited",
  "eventsLost",
  "noFrame",
  "unhandled",
  "stale",
  "fragmentsHeld",
  "fragmentsExpired",
  "samplesLimited",
  "handlerErrors",
] as const satisfies readonly (keyof SlowPathCounters)[];

/** Counters of the slow path. */
export interface SlowPathStatistics {
  readonly workers: number;
  /** UMEM frames of all workers, and those of them that are in no ring and hold no packet. */
  readonly frames: { readonly total: number; readonly free: number };
  readonly counters: SlowPathCounters;
  readonly ports: readonly PortStatistics[];
}

/** A running slow path. */
export class SlowPath implements Disposable {
  readonly #options: SlowPathOptions;
  readonly #host: HostOptions;
  readonly #hosts: WorkerHost[] = [];
  readonly #interfaces: number;
  readonly #deliveries: Deliveries;
  readonly #judge: Judge;
  #nextHost = 0;

  private constructor(o: SlowPathOptions) {
    this.#options = o;
    this.#host = hostOptions(o);
    this.#interfaces = o.maps.interfaces.maxEntries;
    this.#deliveries = new Deliveries(o);
    this.#judge = new Judge(this.#host);
  }

  /**
   * Opens the trap link's sockets and starts a worker for each of its queues.
   * @throws WeirError naming device and queue
   */
  static start(o: SlowPathOptions): SlowPath {
    const slowPath = SlowPath.open(o);
    try {
      slowPath.run();
      return slowPath;
    } catch (error) {
      slowPath.close();
      throw error;
    }
  }

  /**
   * Opens the trap link's sockets, one for each of its queues. Nothing gets to them before `run`: policy and ports can
   * be made ready for packets that the kernel programs hold out already.
   * @throws WeirError naming device and queue
   */
  static open(o: SlowPathOptions): SlowPath {
    const { queues, name } = o.trapDevice;
    if (queues < 1 || queues > WEIR_MAX_WORKERS) {
      throw new WeirError({
        code: "EINVAL",
        operation: `start the slow path on "${name}"`,
        reason: `${queues} queues are not 1 to ${WEIR_MAX_WORKERS}`,
      });
    }
    const slowPath = new SlowPath(o);
    try {
      withNetns(o.netns, () => {
        for (let i = 0; i < queues; i++) slowPath.#addHost(i);
      });
    } catch (error) {
      slowPath.close();
      throw error;
    }
    slowPath.setNodeAddresses(o.nodeAddresses ?? []);
    return slowPath;
  }

  /**
   * Starts the workers, and lets the kernel programs find their sockets. Not in another network namespace: threads
   * that the runtime begins meanwhile would stay there.
   */
  run(): void {
    for (const worker of this.#hosts) worker.run(this.#host);
  }

  #addHost(index: number): void {
    const fail = (reason: string): void => this.#options.onFailure?.(`slow-path worker ${index}: ${reason}`);
    this.#hosts.push(new WorkerHost(this.#host, index, (from) => this.#deliveries.drain(from), fail));
  }

  /** Resolves when all workers are in their loops. Packets that come before wait in the rings. */
  async ready(): Promise<void> {
    await Promise.all(this.#hosts.map(({ started }) => started));
  }

  /** Bytes of the longest frame that it takes and sends, from the Ethernet header on. */
  get largestPacket(): number {
    return Math.min(...this.#hosts.map(({ ports }) => ports.largestPacket));
  }

  /** Number of workers. */
  get workers(): number {
    return this.#hosts.length;
  }

  /**
   * Opens a socket for each queue of an interface; the queues are spread over the workers.
   * @return the mode in use; `copy` if any queue is in copy mode
   */
  addDirect(port: DirectPort): { readonly mode: XskMode } {
    const modes: XskMode[] = [];
    try {
      withNetns(this.#options.netns, () => {
        for (let queue = 0; queue < port.queues; queue++) {
          const host = this.#hosts[((port.worker ?? 0) + queue) % this.#hosts.length];
          if (host === undefined) break;
          modes.push(host.ports.openDirect(port, queue));
          host.wakeNow();
        }
      });
    } catch (error) {
      this.removeDirect(port.interfaceId);
      throw error;
    }
    return { mode: modes.every((mode) => mode === "zerocopy") ? "zerocopy" : "copy" };
  }

  /** Closes the sockets of an interface. */
  removeDirect(interfaceId: number): void {
    for (const host of this.#hosts) {
      const { revision, indexes } = host.ports.withdraw(interfaceId);
      if (indexes.length === 0) continue;
      host.awaitPorts(revision);
      host.ports.finish(indexes);
      for (const index of indexes) host.reclaim(index);
    }
  }

  /** Puts a compiled policy in force. Workers take it at their next packet. */
  setPolicy(policy: PolicyImage): void {
    this.#judge.policy = policy;
    for (const host of this.#hosts) host.policies.publish(policy);
  }

  /** Bytes that a compiled policy may have. */
  get policyRoom(): PolicyRoom {
    const { policyBytes, addressSetBytes } = this.#host.layout.sizes;
    return { table: policyBytes, addressSets: addressSetBytes };
  }

  /**
   * What would be decided on the first packet of a flow; nothing is decided, counted or logged. `ask` is the answer
   * only where somebody is there to be asked.
   */
  judge(packet: JudgedPacket): Judgement {
    return this.#judge.judge(packet);
  }

  /** Looks through the flows that are there, by the policy in force. */
  get flowReview(): FlowReview {
    return this.#judge.flows;
  }

  /** Sets the addresses that ICMP errors come from where the interface has none; 16 bytes each, IPv4 mapped. */
  setNodeAddresses(addresses: readonly Uint8Array[]): void {
    const v4 = addresses.find(isMapped);
    const v6 = addresses.find((address) => !isMapped(address));
    for (const { memory } of this.#hosts) {
      const { control } = memory.layout;
      const word = v4 === undefined ? 0 : new DataView(v4.buffer, v4.byteOffset).getUint32(12);
      workerControlCodec.nodeAddress4.set(memory.view, control, word);
      workerControlCodec.nodeAddress6.set(memory.bytes, control, v6 ?? new Uint8Array(16));
    }
  }

  /**
   * Sets who decides the flows that policy leaves to the controller. The handler gets those of one wake-up together
   * and may decide at any time; `workers`: the handlers of `workerModule`, each in its own thread. Without a handler
   * `otherwise` decides at once.
   */
  onAsk(handler: AskHandler | "workers" | null, o: AskOptions = {}): void {
    this.#deliveries.ask = typeof handler === "function" ? handler : undefined;
    this.#judge.unasked = handler === null ? (o.otherwise === "forward" ? "allow" : "deny") : undefined;
    const otherwise = o.otherwise === "forward" ? RuleActionValue.allow : RuleActionValue.deny;
    const asking = AskingValue[handler === null ? "nobody" : handler === "workers" ? "worker" : "main"];
    for (const host of this.#hosts) {
      host.setControl("askTimeoutMs", o.timeoutMs ?? 1000);
      host.setControl("askOtherwise", otherwise);
      host.setControl("asking", asking);
    }
  }

  /** Posts a message to the handler of each worker; it gets it before its next flows. */
  post(message: unknown): void {
    for (const host of this.#hosts) host.post(message);
  }

  /** Sets whether `onMiss` is told of the flows that handlers in the workers are asked about. */
  setTellMisses(on: boolean): void {
    for (const host of this.#hosts) host.setControl("tellMisses", on ? 1 : 0);
  }

  /** Sets who takes the packets trapped for these reasons; they are then not answered by the slow path itself. */
  onTrap(reasons: readonly TrapReason[], handler: TrapHandler | null): void {
    const { traps } = this.#deliveries;
    for (const reason of reasons) {
      if (handler === null) traps.delete(reason);
      else traps.set(reason, handler);
    }
    let bits = 0;
    for (const reason of traps.keys()) bits |= 1 << TrapReasonValue[reason];
    for (const host of this.#hosts) host.setControl("trapHandlers", bits);
  }

  /** Sets how many of the packets that it drops each worker reports, a second; 0: none. */
  setDropSamples(perSecond: number): void {
    for (const host of this.#hosts) host.setControl("dropSamples", perSecond);
  }

  /**
   * Has a descriptor polled on behalf of the main thread: `listener` is called when it is readable, at most some 100
   * times a second, and has to read all that is there. The descriptor must stay open until the result is disposed.
   */
  watch(fd: number, listener: () => void): Disposable {
    const [host] = this.#hosts;
    return host?.watches.add(fd, () => this.#deliveries.report(listener)) ?? { [Symbol.dispose]() {} };
  }

  /**
   * Sends a copy of a frame.
   * @return false if too many frames are under way: try again later
   * @throws WeirError `EMSGSIZE` if it is longer than `largestPacket`, or no Ethernet frame
   */
  inject(frame: Uint8Array, as: InjectAs): boolean {
    const host = this.#hosts[this.#nextHost];
    if (host === undefined) return false;
    this.#nextHost = (this.#nextHost + 1) % this.#hosts.length;
    const largest = this.largestPacket;
    if (frame.byteLength > largest || frame.byteLength < 14) {
      throw new WeirError({
        code: "EMSGSIZE",
        operation: `inject a frame of ${frame.byteLength} bytes`,
        reason: `14 to ${largest} bytes are possible`,
      });
    }
    const action = INJECT_ACTIONS.find((name) => name === as.action) ?? "received";
    return host.inject(frame, action, as.interface ?? 0, as.vrf ?? 0);
  }

  /** How often each rule decided since the start, by rule id; rules that never did are absent. */
  ruleHits(): ReadonlyMap<number, number> {
    const hits = new Map<number, number>();
    for (const host of this.#hosts) host.policies.addHits(hits);
    return hits;
  }

  /** Packets that ended in the slow path or at its sockets, by interface and reason; the kernel programs count theirs. */
  drops(): SlowPathDrop[] {
    return countDrops(this.#hosts, this.#interfaces);
  }

  /** Counters of workers and sockets. */
  stats(): SlowPathStatistics {
    const total = (field: (typeof COUNTERS)[number]): number =>
      this.#hosts.reduce((sum, host) => sum + host.counter(field), 0);
    return {
      workers: this.#hosts.length,
      frames: {
        total: this.#hosts.reduce((sum, host) => sum + host.memory.layout.sizes.frames, 0),
        free: this.#hosts.reduce((sum, host) => sum + host.freeFrames, 0),
      },
      counters: Object.fromEntries(COUNTERS.map((field) => [field, total(field)])) as unknown as SlowPathCounters,
      ports: this.#hosts.flatMap((host) => host.ports.statistics(host.index)),
    };
  }

  /** Stops the workers and closes the sockets. What is decided goes on in the kernel. */
  close(): void {
    const hosts = this.#hosts.splice(0);
    using cleanup = new DisposableStack();
    cleanup.use(this.#judge);
    for (const host of hosts) cleanup.use(host);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
