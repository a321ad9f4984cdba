// SPDX-License-Identifier: Apache-2.0
/** `weir demo`: the main job, end to end, in a lab. */

import { Failure } from "../failure.ts";
import type { Terminal } from "../terminal.ts";

/** What the demo is told. */
export interface DemoOptions {
  /** Leave the lab and the data plane running. */
  readonly keep: boolean;
  readonly terminal: Terminal;
}

/** Runs the demo. Resolves to true if everything held. */
export async function runDemo(_options: DemoOptions): Promise<boolean> {
  throw new Failure("Cannot run weir demo: it is not part of this build");
}
