// SPDX-License-Identifier: Apache-2.0
/**
 * A slow-path worker: a thread that runs the WebAssembly module on its memory, and sleeps in poll(2) when there
 * is nothing to do. The main thread reaches it through the shared memory and an eventfd. It returns to its event
 * loop for the letters of the main thread, and for the handler in it, if there is one.
 */

import { setImmediate } from "node:timers";
import { runtime } from "#runtime";
import {
  flowUpdateArgsCodec,
  flowUpdateArgsLayout,
  messageRingCodec,
  PortKindValue,
  WEIR_DECISIONS_PER_WORKER,
  WEIR_WATCHES,
  watchedDescriptorCodec,
  watchedDescriptorLayout,
  workerControlCodec,
  xskPortCodec,
  xskPortLayout,
} from "../layout/index.ts";
import { syscallRunner } from "../libbpf/index.ts";
import { errnoText } from "../runtime/errno.ts";
import { libc, MSG_DONTWAIT, POLLIN } from "../runtime/libc.ts";
import { type Address, NULL } from "../runtime/types.ts";
import type { AskedFlow } from "./asked_flow.ts";
import { OwnAsks } from "./own_asks.ts";
import { ThreadScheduling } from "./scheduling.ts";
import type { Letter, StartMessage, WorkerMessage } from "./worker_messages.ts";

/** Packets and commands a call of `poll`. */
const BURST = 256;
/** Calls of sendto in a row: a kernel before 6.17 takes 32 packets a call. */
const MAX_KICKS = 64;
const CLOCK_MONOTONIC = 1;
/** Longest sleep, so that a deadline far away cannot overflow poll's milliseconds. */
const MAX_SLEEP_MS = 60_000;
const POLLFD_BYTES = 8;
/** The eventfd, then the watched descriptors, then the ports. */
const FIRST_WATCH = 1;
const FIRST_PORT = FIRST_WATCH + WEIR_WATCHES;
/** Bursts in a row after which the watched descriptors get a look, while there is no time to sleep. */
const BURSTS_PER_LOOK = 64;
/** Exports of wasm/index.ts. */
interface SlowPathModule {
  start(control: number): void;
  poll(budget: number): number;
  sleep(): boolean;
  applied(): void;
  kicks(): number;
}

interface WorkerScope {
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  postMessage(message: WorkerMessage): void;
}

/** How much of the event loop a handler wants: none without one; some of it, for its timers; or all that there is. */
export type Attention = "none" | "some" | "all";

/** What decides asked flows in a worker's thread. Disposed when the worker ends. */
export interface WorkerHandler extends Disposable {
  readonly attention: Attention;
  /** Gets what `SlowPath.post` was given. */
  receive(message: unknown): void;
  /** Whether it takes flows. Until it does they wait, as long as their time-out lets them. */
  readonly ready: boolean;
  /** Gets the asked flows of a burst. */
  ask(flows: readonly AskedFlow[]): void;
}

/** What a handler reaches of its worker. */
export interface WorkerPort {
  /** Sends a message to the main thread: `SlowPathOptions.onMessage`. */
  post(message: unknown): void;
  /** Counts a failure (`handlerErrors`). */
  countError(): void;
}

const scope = globalThis as unknown as WorkerScope;

const system = runtime.open(["libc.so.6"], {
  clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
});

/** Longest sleep while a handler's timers are to be looked at, and while it waits for something of the event loop. */
const SLEEP_MS: Readonly<Record<Attention, number>> = { none: MAX_SLEEP_MS, some: 50, all: 1 };

/** Makes this thread a worker of the slow path: it waits for the main thread's first message. */
export function serveWorker(createHandler?: (port: WorkerPort) => WorkerHandler): void {
  let loop: WorkerLoop | undefined;
  scope.addEventListener("message", ({ data }) => {
    const message = data as StartMessage | Letter;
    if (message.kind === "letter") {
      loop?.receive(message.message);
      return;
    }
    loop = begin(message, createHandler);
  });
}

function begin(start: StartMessage, createHandler?: (port: WorkerPort) => WorkerHandler): WorkerLoop | undefined {
  let loop: WorkerLoop | undefined;
  try {
    loop = new WorkerLoop(start, createHandler);
    loop.warmUp();
    scope.postMessage({ kind: "started" });
  } finally {
    if (loop === undefined) sayStopped(start);
  }
  const running = loop;
  void (async () => {
    try {
      await running.run();
      scope.postMessage({ kind: "stopped" });
    } finally {
      // Also after a failure: the main thread waits for it before it takes the memory apart.
      running[Symbol.dispose]();
      sayStopped(start);
    }
  })();
  return running;
}

function sayStopped(start: StartMessage): void {
  const words = new Int32Array(start.memory.buffer);
  const stopped = (start.control + workerControlCodec.stopped.offset) >> 2;
  Atomics.store(words, stopped, 1);
  Atomics.notify(words, stopped);
}

class WorkerLoop {
  readonly #start: StartMessage;
  readonly #wasm: SlowPathModule;
  readonly #view: DataView;
  readonly #words: Int32Array;
  readonly #clock: Address;
  readonly #updateArgs = runtime.alloc(flowUpdateArgsLayout.size);
  readonly #update: () => number;
  readonly #scheduling: ThreadScheduling;
  readonly #wakeBuffer = runtime.alloc(8);
  #pollFds = runtime.alloc(FIRST_PORT * POLLFD_BYTES);
  #pollCount = FIRST_PORT;
  #fds: number[] = [];
  /** Those of interfaces' own queues, where they are polled busily. */
  #busyFds: number[] = [];
  #portRevision = -1;
  #seenEvents = 0;
  #failing = false;
  /** The kernel has not taken all that is to be sent. */
  #sending = false;
  readonly #handler: WorkerHandler | undefined;
  readonly #asks: OwnAsks;
  /** Letters that have come. */
  #letters = 0;
  #onLetter: (() => void) | undefined;

  constructor(start: StartMessage, createHandler?: (port: WorkerPort) => WorkerHandler) {
    const { memory, module, control } = start;
    this.#start = start;
    this.#view = new DataView(memory.buffer);
    this.#words = new Int32Array(memory.buffer);
    this.#clock = (runtime.addressOf(memory) + control + workerControlCodec.clockSeconds.offset) as Address;
    this.#update = syscallRunner(start.flowUpdateFd, this.#updateArgs);
    const first = workerControlCodec.worker.get(this.#view, control) * WEIR_DECISIONS_PER_WORKER;
    flowUpdateArgsCodec.first.set(this.#updateArgs.view, 0, first);
    this.#wasm = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as SlowPathModule;
    system.clock_gettime(CLOCK_MONOTONIC, this.#clock);
    this.#scheduling = new ThreadScheduling(start.scheduling, this.#now());
    if (!this.#scheduling.isBound) this.#fail(`cannot run on CPU ${start.scheduling.cpu}`);
    this.#wasm.start(control);
    this.#asks = new OwnAsks(this.#view, new Uint8Array(memory.buffer), this.#words, control);
    this.#handler = createHandler?.({
      post: (message) => scope.postMessage({ kind: "message", message }),
      countError: () => this.#asks.countError(),
    });
  }

  /** Goes once through all that a first packet needs, so that it does not wait for code to be compiled. */
  warmUp(): void {
    this.#applyDecisions(0);
    this.#turn();
  }

  async run(): Promise<void> {
    const { control, spin, busyPollMicroseconds } = this.#start;
    const awakeNs = busyPollMicroseconds * 1000;
    const stop = (control + workerControlCodec.stop.offset) >> 2;
    const letters = (control + workerControlCodec.letters.offset) >> 2;
    let [bursts, lastPacket] = [0, 0];
    while (Atomics.load(this.#words, stop) === 0) {
      // Before the next flows: the letter may say what names mean that come with them.
      while (Atomics.load(this.#words, letters) !== this.#letters) await this.#letter();
      if (awakeNs > 0) this.#runDrivers();
      const idle = this.#turn() === 0;
      if (!idle) lastPacket = this.#now();
      const awake = spin || (this.#busyFds.length > 0 && this.#now() - lastPacket < awakeNs);
      const attention = this.#handler?.attention ?? "none";
      const looking = ++bursts % BURSTS_PER_LOOK === 0;
      if (attention === "all" || (attention === "some" && (idle || looking))) await eventLoop();
      if (idle && !awake) this.#sleep(this.#sending ? 1 : Math.min(this.#timeoutMs(), SLEEP_MS[attention]));
      else if (looking && this.#armWatches()) this.#sleep(0);
    }
  }

  /** Resolves when the next letter has come. */
  #letter(): Promise<void> {
    return new Promise((resolve) => {
      this.#onLetter = resolve;
    });
  }

  receive(message: unknown): void {
    this.#letters = (this.#letters + 1) | 0;
    this.#handler?.receive(message);
    this.#onLetter?.();
  }

  /** Has the drivers of interfaces' own queues deliver what there is: with SO_BUSY_POLL recvmsg(2) does (xsk_recvmsg). */
  #runDrivers(): void {
    for (let i = 0; i < this.#busyFds.length; i++) libc.recv(this.#busyFds[i] ?? -1, NULL, 0, MSG_DONTWAIT);
  }

  /** Handles a burst. Returns how much there was. */
  #turn(): number {
    this.#takePorts();
    system.clock_gettime(CLOCK_MONOTONIC, this.#clock);
    this.#scheduling.look(this.#now());
    const done = this.#wasm.poll(BURST);
    const decisions = workerControlCodec.decisionCount.get(this.#view, this.#start.control);
    if (decisions > 0) this.#applyDecisions(decisions);
    this.#sending = this.#kick();
    this.#signalEvents();
    return done + this.#handAsked();
  }

  /** Hands the burst's flows to the handler in this thread. Its verdicts are there for the next burst. */
  #handAsked(): number {
    const handler = this.#handler;
    if (handler?.ready !== true) return 0;
    const flows = this.#asks.take();
    if (flows.length > 0) handler.ask(flows);
    return flows.length;
  }

  #applyDecisions(count: number): void {
    flowUpdateArgsCodec.count.set(this.#updateArgs.view, 0, count);
    const result = this.#update();
    // The records then stay "pending", and `applied` drops their packets.
    if (result < 0 && !this.#failing) this.#fail(`weir_flow_update: ${errnoText(-result)}`);
    this.#failing = result < 0;
    this.#wasm.applied();
  }

  #fail(reason: string): void {
    scope.postMessage({ kind: "failed", reason });
  }

  /** Lets the kernel send what is queued. True if it has not taken everything. */
  #kick(): boolean {
    for (let i = 0; i < MAX_KICKS; i++) {
      const bits = this.#wasm.kicks();
      if (bits === 0) return false;
      for (let port = 0; port < 32; port++) {
        if ((bits & (1 << port)) === 0) continue;
        // EAGAIN: the completion ring is full, or more packets are there than one call takes. EBUSY, ENOBUFS: later.
        libc.sendto(this.#fds[port] ?? -1, NULL, 0, MSG_DONTWAIT, NULL, 0);
      }
    }
    return true;
  }

  /** Wakes the main thread, unless it knows already. */
  #signalEvents(): void {
    const { control } = this.#start;
    const ring = workerControlCodec.events.get(this.#view, control);
    const produced = messageRingCodec.producer.get(this.#view, ring);
    if (produced === this.#seenEvents) return;
    this.#seenEvents = produced;
    const signal = (control + workerControlCodec.eventSignal.offset) >> 2;
    if (Atomics.exchange(this.#words, signal, 1) === 0) scope.postMessage({ kind: "events" });
  }

  /** Takes over ports that were added or taken away. */
  #takePorts(): void {
    const { control, wakeFd } = this.#start;
    const revision = Atomics.load(this.#words, (control + workerControlCodec.portRevision.offset) >> 2);
    if (revision === this.#portRevision) return;
    this.#portRevision = revision;
    const ports = workerControlCodec.ports.get(this.#view, control);
    const count = workerControlCodec.portCount.get(this.#view, control);
    this.#fds = Array.from({ length: count }, (_, i) => {
      const base = ports + i * xskPortLayout.size;
      const open = xskPortCodec.kind.get(this.#view, base) !== PortKindValue.none;
      return open ? xskPortCodec.fd.get(this.#view, base) : -1;
    });
    const isDirect = (_: number, i: number) =>
      xskPortCodec.kind.get(this.#view, ports + i * xskPortLayout.size) === PortKindValue.direct;
    this.#busyFds = this.#start.busyPollMicroseconds > 0 ? this.#fds.filter(isDirect) : [];
    const polled = [wakeFd, ...new Array<number>(WEIR_WATCHES).fill(-1), ...this.#fds.filter((fd) => fd >= 0)];
    this.#pollFds = runtime.alloc(polled.length * POLLFD_BYTES);
    this.#pollCount = polled.length;
    for (const [i, fd] of polled.entries()) {
      this.#pollFds.view.setInt32(i * POLLFD_BYTES, fd, true);
      this.#pollFds.view.setInt16(i * POLLFD_BYTES + 4, POLLIN, true);
    }
  }

  /** Sleeps, if nothing is there, until a packet or a command comes, or a deadline. In copy mode the kernel goes on sending meanwhile. */
  #sleep(timeout: number): void {
    // A look at the descriptors is no sleep.
    if (timeout !== 0 && !this.#wasm.sleep()) return;
    this.#armWatches();
    if (libc.poll(this.#pollFds.address, this.#pollCount, timeout) <= 0) return;
    if (this.#pollFds.view.getInt16(6, true) !== 0) libc.read(this.#start.wakeFd, this.#wakeBuffer.address, 8);
    for (let i = 0; i < WEIR_WATCHES; i++) if (this.#isReadable(FIRST_WATCH + i)) this.#tell(i);
  }

  /** Says whether there is anything to be polled for the main thread, but for what it was told of already. */
  #armWatches(): boolean {
    let any = false;
    for (let i = 0; i < WEIR_WATCHES; i++) {
      const watch = this.#watchAt(i);
      const told = Atomics.load(this.#words, (watch + watchedDescriptorCodec.told.offset) >> 2) !== 0;
      const fd = told ? -1 : Atomics.load(this.#words, (watch + watchedDescriptorCodec.fd.offset) >> 2) - 1;
      this.#pollFds.view.setInt32((FIRST_WATCH + i) * POLLFD_BYTES, fd, true);
      any ||= fd >= 0;
    }
    return any;
  }

  #watchAt(index: number): number {
    return workerControlCodec.watches.get(this.#view, this.#start.control) + index * watchedDescriptorLayout.size;
  }

  #isReadable(polled: number): boolean {
    return this.#pollFds.view.getInt16(polled * POLLFD_BYTES + 6, true) !== 0;
  }

  #tell(index: number): void {
    Atomics.store(this.#words, (this.#watchAt(index) + watchedDescriptorCodec.told.offset) >> 2, 1);
    scope.postMessage({ kind: "readable", index });
  }

  /** Milliseconds to the next deadline, rounded up. */
  #timeoutMs(): number {
    const { control } = this.#start;
    const deadline = workerControlCodec.nextDeadline.getNumber(this.#view, control);
    if (deadline > Number.MAX_SAFE_INTEGER) return MAX_SLEEP_MS;
    const remaining = deadline - this.#now();
    return Math.min(Math.max(Math.ceil(remaining / 1_000_000), 0), MAX_SLEEP_MS);
  }

  /** When the clock was last read, in nanoseconds. */
  #now(): number {
    const { control } = this.#start;
    const seconds = workerControlCodec.clockSeconds.getNumber(this.#view, control);
    return seconds * 1_000_000_000 + workerControlCodec.clockNanoseconds.getNumber(this.#view, control);
  }

  [Symbol.dispose](): void {
    this.#handler?.[Symbol.dispose]();
  }
}

/** One turn of the event loop: its promises, timers and messages. */
function eventLoop(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
