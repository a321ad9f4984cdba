// SPDX-License-Identifier: Apache-2.0
/** What the main thread and a worker say to each other, beside the rings in their shared memory. */

/** The first and only message to a worker: it then stays in its loop until `stop` in the control block. */
export interface StartMessage {
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
}

/** From a worker. */
export type WorkerMessage =
  /** It is in its loop. */
  | { readonly kind: "started" }
  /** There are events in the ring. */
  | { readonly kind: "events" }
  /** A watched descriptor is readable; it is not polled until `told` is 0 again. */
  | { readonly kind: "readable"; readonly index: number }
  /** weir_flow_update failed; its packets were dropped. Sent once for each run of failures. */
  | { readonly kind: "failed"; readonly reason: string }
  /** It has left its loop. */
  | { readonly kind: "stopped" };
