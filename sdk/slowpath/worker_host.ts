// SPDX-License-Identifier: Apache-2.0
/** One worker as the main thread sees it: its memory, its sockets, its thread, and the rings between them. */

import { runtime } from "#runtime";
import { WeirError } from "../errors.ts";
import {
  CommandKindValue,
  commandCodec,
  commandLayout,
  type InjectAction,
  InjectActionValue,
  type Lent,
  LentValue,
  workerControlCodec,
} from "../layout/index.ts";
import { close, eventfd, libc } from "../runtime/libc.ts";
import type { NativeBuffer, WorkerHandle } from "../runtime/types.ts";
import type { SendVerdict } from "./asked_flow.ts";
import { INJECT_SLOTS, largestPacket } from "./memory_layout.ts";
import { CommandRing, EventRing } from "./message_ring.ts";
import { PolicySlots } from "./policy/slots.ts";
import { PortTable } from "./port_table.ts";
import { TableMapping } from "./table_mapping.ts";
import type { HostOptions } from "./types.ts";
import { writeVerdict } from "./verdict_command.ts";
import { Watches } from "./watches.ts";
import { WorkerMemory } from "./worker_memory.ts";
import type { Letter, StartMessage, WorkerMessage } from "./worker_messages.ts";

/** How long a worker may take to answer: it may only just be starting, on a busy machine. */
const ACK_TIMEOUT_MS = 5000;
/** Commands kept back for giving frames back: a verdict may be lost, its flow times out; a frame may not. */
const RELEASE_RESERVE = 4096;

/** Fields of the control block that the main thread may change at any time. */
export type ControlSetting =
  | "asking"
  | "askTimeoutMs"
  | "askOtherwise"
  | "trapHandlers"
  | "errorRate"
  | "errorBurst"
  | "dropSamples"
  | "tellMisses";

/** A running worker. */
export class WorkerHost implements Disposable {
  readonly index: number;
  readonly memory: WorkerMemory;
  readonly ports: PortTable;
  readonly policies: PolicySlots;
  readonly events: EventRing;
  readonly watches: Watches;
  readonly #commands: CommandRing;
  readonly #tables: readonly TableMapping[];
  readonly #onEvents: (host: WorkerHost) => void;
  readonly #onFailure: (reason: string) => void;
  readonly #wakeFd: number;
  readonly #wakeBuffer: NativeBuffer;
  /** For each slot of `inject`: how many commands must be consumed until it is free. */
  readonly #slotUses = new Array<number>(INJECT_SLOTS).fill(0);
  #nextSlot = 0;
  #lostTold = 0;
  readonly #started = Promise.withResolvers<void>();
  #thread: WorkerHandle | undefined;
  #wakeQueued = false;
  #closed = false;

  /** Builds the memory and opens the trap port. Call it in the trap device's network namespace. */
  constructor(
    o: HostOptions,
    index: number,
    onEvents: (host: WorkerHost) => void,
    onFailure: (reason: string) => void,
  ) {
    this.index = index;
    // Who does not ask for it is told by `onFailure`.
    this.#started.promise.catch(() => {});
    this.memory = new WorkerMemory(o.layout, index, o.limits);
    const { view, words, layout } = this.memory;
    this.#onEvents = onEvents;
    this.#onFailure = onFailure;
    this.#commands = new CommandRing(view, words, layout.commands);
    this.events = new EventRing(view, words, layout.events);
    this.policies = new PolicySlots(
      this.memory,
      () => this.wakeNow(),
      () => this.#thread !== undefined,
    );
    this.watches = new Watches(this.memory, () => this.wakeNow());
    this.#wakeBuffer = runtime.alloc(8);
    this.#wakeBuffer.view.setUint8(0, 1);

    const base = runtime.addressOf(this.memory.memory);
    using cleanup = new DisposableStack();
    this.#tables = [
      cleanup.use(new TableMapping(o.maps.interfaces, base, layout.interfaces, "read")),
      cleanup.use(new TableMapping(o.maps.nexthops, base, layout.nexthops, "read")),
      cleanup.use(new TableMapping(o.maps.decisions, base, layout.decisions, "write")),
      cleanup.use(new TableMapping(o.maps.miss_rings, base, layout.missRings, "write")),
    ];
    this.ports = cleanup.use(new PortTable(this.memory, o.maps.xsks, o.busyPoll));
    this.#wakeFd = cleanup.adopt(eventfd(), close);
    if (o.policy !== undefined) this.policies.publish(o.policy);
    for (const [name, value] of Object.entries(o.settings)) this.setControl(name as ControlSetting, value);
    this.ports.openTrap(o.trapDevice, index);
    cleanup.move();
  }

  /** Resolves when the thread is in its loop; packets that come before wait in the rings. Rejects if it cannot start. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** Starts the thread, and lets the kernel programs find its ports. */
  run(o: HostOptions): void {
    this.publish(o);
    const thread = runtime.worker(o.workerModule);
    this.#thread = thread;
    thread.onMessage((message) => {
      const answer = message as WorkerMessage;
      if (answer.kind === "events") this.#onEvents(this);
      else if (answer.kind === "readable") this.watches.readable(answer.index);
      else if (answer.kind === "started") {
        // Not before: who waits for it must not end because there is nothing else to do.
        thread.unref();
        this.#started.resolve();
      } else if (answer.kind === "failed") this.#onFailure(answer.reason);
      else if (answer.kind === "message") o.onMessage(this.index, answer.message);
    });
    thread.onError((error) => {
      thread.unref();
      this.#started.reject(error);
      this.#onFailure(error.message);
    });
    thread.postMessage({
      kind: "start",
      memory: this.memory.memory,
      module: o.module,
      control: this.memory.layout.control,
      wakeFd: this.#wakeFd,
      flowUpdateFd: o.flowUpdate.fd,
      spin: o.spin,
      scheduling: {
        cpu: o.scheduling.cpus[this.index % o.scheduling.cpus.length],
        realtime: o.scheduling.realtime && !o.spin,
      },
      busyPollMicroseconds: o.busyPoll?.microseconds ?? 0,
    } satisfies StartMessage);
  }

  /**
   * Lets the kernel programs find the ports: what comes waits in the rings until the thread runs. The worker's own
   * start fills the rings again; until then packets would find no frames.
   */
  publish({ module }: Pick<HostOptions, "module">): void {
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.memory.memory } });
    (exports as unknown as { start(control: number): void }).start(this.memory.layout.control);
    this.ports.publish();
  }

  /** Ends the worker's sleep. */
  wakeNow(): void {
    if (!this.#closed) libc.write(this.#wakeFd, this.#wakeBuffer.address, 8);
  }

  /** Ends the worker's sleep once for all commands of this turn of the event loop. */
  #wakeSoon(): void {
    if (this.#wakeQueued) return;
    this.#wakeQueued = true;
    queueMicrotask(() => {
      this.#wakeQueued = false;
      this.wakeNow();
    });
  }

  /** Changes a setting; the worker sees it at its next packet. */
  setControl(setting: ControlSetting, value: number): void {
    Atomics.store(this.memory.words, this.memory.control(setting) >> 2, value);
  }

  /** A counter of the control block. */
  counter(
    field:
      | "polls"
      | "packets"
      | "decided"
      | "allowed"
      | "denied"
      | "rejected"
      | "asked"
      | "timeouts"
      | "injected"
      | "errorsSent"
      | "errorsLimited"
      | "solicited"
      | "eventsLost"
      | "noFrame"
      | "unhandled"
      | "stale"
      | "fragmentsHeld"
      | "fragmentsExpired"
      | "samplesLimited"
      | "handlerErrors",
  ): number {
    return workerControlCodec[field].getNumber(this.memory.view, this.memory.layout.control);
  }

  /** Events that found no room in the ring since the last call. */
  takeLost(): number {
    const lost = this.counter("eventsLost");
    const since = lost - this.#lostTold;
    this.#lostTold = lost;
    return since;
  }

  /** Frames that are in no ring and hold no packet. */
  get freeFrames(): number {
    return workerControlCodec.freeCount.get(this.memory.view, this.memory.layout.control);
  }

  /** Lets the worker say again when there are events: to be called before they are read. */
  rearmEvents(): void {
    Atomics.store(this.memory.words, this.memory.control("eventSignal") >> 2, 0);
  }

  /** Decides an asked flow. False if the ring is full: the flow will time out. */
  readonly verdict: SendVerdict = (ticket, action, verdict) => {
    if (this.#commands.room <= RELEASE_RESERVE) return false;
    const { view, bytes } = this.memory;
    const pushed = this.#commands.push((at) => writeVerdict(view, bytes, at, ticket, action, verdict));
    if (pushed) this.#wakeSoon();
    return pushed;
  };

  /** Sends a message to the thread, which returns to its event loop for it. */
  post(message: unknown): void {
    this.#thread?.postMessage({ kind: "letter", message } satisfies Letter);
    // After the message, so that the thread need not wait for it.
    Atomics.add(this.memory.words, this.memory.control("letters") >> 2, 1);
    this.wakeNow();
  }

  /** Gives a lent packet back. @param length the packet's */
  release(frame: number, length: number, lent: Lent): void {
    this.#push("release", (view, at) => {
      commandCodec.frame.set(view, at, frame);
      commandCodec.length.set(view, at, length);
      commandCodec.lent.set(view, at, LentValue[lent]);
    });
  }

  /** Takes the frames of a closed port back. */
  reclaim(port: number): void {
    this.#push("reclaim", (view, at) => commandCodec.frame.set(view, at, port));
  }

  /** Sends a copy of `frame`. False if too many are under way. */
  inject(frame: Uint8Array, action: InjectAction, interfaceId: number, vrf: number): boolean {
    const slot = this.#nextSlot;
    const consumed = this.#commands.consumed;
    const free = ((consumed - (this.#slotUses[slot] ?? 0)) | 0) >= 0;
    if (!free || this.#commands.room <= RELEASE_RESERVE) return false;
    const at = this.memory.layout.inject + slot * largestPacket(this.memory.layout.sizes.frameSize, true);
    this.memory.bytes.set(frame, at);
    this.#push("inject", (view, command) => {
      commandCodec.frame.set(view, command, at);
      commandCodec.length.set(view, command, frame.byteLength);
      commandCodec.injectAction.set(view, command, InjectActionValue[action]);
      commandCodec.interface.set(view, command, interfaceId);
      commandCodec.vrf.set(view, command, vrf);
    });
    this.#slotUses[slot] = this.#commands.produced;
    this.#nextSlot = (slot + 1) % INJECT_SLOTS;
    return true;
  }

  #push(kind: keyof typeof CommandKindValue, write: (view: DataView, at: number) => void): boolean {
    const pushed = this.#commands.push((at) => {
      this.memory.bytes.fill(0, at, at + commandLayout.size);
      commandCodec.kind.set(this.memory.view, at, CommandKindValue[kind]);
      write(this.memory.view, at);
    });
    if (pushed) this.#wakeSoon();
    return pushed;
  }

  /** Waits until the worker goes by a revision of its ports. Without a thread nobody uses them. */
  awaitPorts(revision: number): void {
    if (this.#thread === undefined) return;
    this.wakeNow();
    this.#await("portAck", (value) => ((value - revision) | 0) >= 0, "give up a port");
  }

  #await(field: "portAck" | "stopped", reached: (value: number) => boolean, operation: string): void {
    const index = this.memory.control(field) >> 2;
    const deadline = performance.now() + ACK_TIMEOUT_MS;
    for (;;) {
      const value = Atomics.load(this.memory.words, index);
      if (reached(value)) return;
      if (performance.now() > deadline) {
        throw new WeirError({
          code: "ETIMEDOUT",
          operation: `let slow-path worker ${this.index} ${operation}`,
          reason: `it did not answer within ${ACK_TIMEOUT_MS} ms`,
        });
      }
      // Sleeps at most a millisecond: only "stopped" is notified.
      Atomics.wait(this.memory.words, index, value, 1);
    }
  }

  /** Stops the thread, closes the sockets and takes the kernel's tables out of the memory. */
  close(): void {
    if (this.#closed) return;
    using cleanup = new DisposableStack();
    for (const table of this.#tables) cleanup.use(table);
    cleanup.adopt(this.#wakeFd, close);
    cleanup.use(this.ports);
    this.watches[Symbol.dispose]();
    // First: without an element in `xsks` packets are counted as no-controller, not lost in a ring.
    this.ports.unpublish();
    Atomics.store(this.memory.words, this.memory.control("stop") >> 2, 1);
    this.wakeNow();
    this.#closed = true;
    if (this.#thread === undefined) return;
    this.#await("stopped", (value) => value === 1, "stop");
    this.#thread.terminate();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
