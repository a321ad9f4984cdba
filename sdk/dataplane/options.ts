// SPDX-License-Identifier: Apache-2.0
import type { Limits } from "./schema/index.ts";

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
  /** Threads of the slow path, 1 to 15. Default 1. */
  readonly workers?: number | undefined;
  /** Packets that the slow path may hold at a time: frames of each worker, a power of two. Default 8192. */
  readonly frames?: number | undefined;
  /** Told when a thread of the slow path or a handler fails. Default: `process.emitWarning`. */
  readonly onFailure?: ((reason: string) => void) | undefined;
}
