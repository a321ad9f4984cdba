// SPDX-License-Identifier: Apache-2.0
/** What the main thread and a worker say to each other, beside the rings in their shared memory. */

/** How the kernel is to schedule a worker's thread. */
export interface Scheduling {
  /** The CPU that it is bound to; `undefined`: any. */
  readonly cpu: number | undefined;
  /** It goes before all ordinary threads while it is not busy all the time. */
  readonly realtime: boolean;
}

/** The first message to a worker: it then stays in its loop until `stop` in the control block. */
export interface StartMessage {
  readonly kind: "start";
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
  /** Address of struct worker_control. */
  readonly control: number;
  /** eventfd that ends the worker's sleep. */
  readonly wakeFd: number;
  /** Descriptor of the program weir_flow_update. */
  readonly flowUpdateFd: number;
  /** Never sleep: for a worker that has a CPU to itself. */
  readonly spin: boolean;
  /** How long to wait awake, running the drivers of interfaces' own queues; 0: not at all. */
  readonly busyPollMicroseconds: number;
  readonly scheduling: Scheduling;
}

/** For the handler in the worker's thread; each is counted in `letters` of the control block. */
export interface Letter {
  readonly kind: "letter";
  readonly message: unknown;
}

/** From a worker. */
export type WorkerMessage =
  /** It is in its loop. */
  | { readonly kind: "started" }
  /** There are events in the ring. */
  | { readonly kind: "events" }
  /** A watched descriptor is readable; it is not polled until `told` is 0 again. */
  | { readonly kind: "readable"; readonly index: number }
  /** weir_flow_update failed, and its packets were dropped: once for each run of failures. Or it cannot run where it should. */
  | { readonly kind: "failed"; readonly reason: string }
  /** Of the handler in its thread. */
  | { readonly kind: "message"; readonly message: unknown }
  /** It has left its loop. */
  | { readonly kind: "stopped" };
