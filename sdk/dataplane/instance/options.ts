// SPDX-License-Identifier: Apache-2.0
import { checkState, type Limits, type Node } from "../schema/index.ts";

/** Options of `DataPlane.open`. */
export interface OpenOptions {
  /** Name of the instance: 1 to 32 letters, digits, _ and -. Several live side by side. Default `default`. */
  readonly instance?: string | undefined;
  /** Sizes of the kernel's tables. Default: those of the persisted `node.limits`, else the schema's. */
  readonly limits?: Limits | undefined;
  /** Path of the SQLite file with the desired state, or false to keep nothing. Default `/var/lib/weir/NAME/state.db`. */
  readonly store?: string | false | undefined;
  /** Network namespace of the node, by name or path. Default: the process's own. */
  readonly netns?: string | undefined;
  /** Threads of the slow path, 1 to 15. Default: the persisted `node.workers`, else 1. */
  readonly workers?: number | undefined;
  /** CPUs that these threads run on, each on one, in turns. Default: the persisted `node.workerCpus`, else any. */
  readonly workerCpus?: readonly number[] | undefined;
  /** Whether they go before ordinary programs. Default: the persisted `node.workerPriority`, else `realtime`. */
  readonly workerPriority?: Node["workerPriority"];
  /**
   * Packets that may wait for a decision at the same time, 1 to 65536. Each worker has four times as many frames of
   * 2048 bytes. Default: the persisted `node.holdLimit`, else 8192.
   */
  readonly holdLimit?: number | undefined;
  /** Busy polling of interfaces' own queues. Default: the persisted `node.busyPoll`, else none. */
  readonly busyPoll?: Node["busyPoll"];
  /** Told when a thread of the slow path or a handler fails. Default: `process.emitWarning`. */
  readonly onFailure?: ((reason: string) => void) | undefined;
}

/**
 * The options that a state's node asks for, as far as it can be read: what is wrong with the state is found when it
 * is applied.
 */
export function openOptionsOf(
  state: unknown,
): Pick<OpenOptions, "limits" | "holdLimit" | "workers" | "workerCpus" | "workerPriority" | "busyPoll"> {
  let node: Node | undefined;
  try {
    node = checkState({ node: (state as { readonly node?: unknown } | undefined)?.node }).node;
  } catch {
    return {};
  }
  return {
    limits: node?.limits,
    holdLimit: node?.holdLimit,
    workers: node?.workers,
    workerCpus: node?.workerCpus,
    workerPriority: node?.workerPriority,
    busyPoll: node?.busyPoll,
  };
}
