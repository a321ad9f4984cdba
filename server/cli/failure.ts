// SPDX-License-Identifier: Apache-2.0
/** How a command ends badly: exit status 1 for what failed, 2 for what was asked wrongly (contract §1). */

import { WeirError } from "../../sdk/errors.ts";

/** It failed. The message is one line. */
export class Failure extends Error {
  override readonly name = "Failure";
}

/** It was called wrongly: an unknown command or flag, a missing argument. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The line that stderr gets for `error`. */
export function describeError(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = text.replaceAll(/\s*\n\s*/g, " ").trim();
  return error instanceof UsageError || error instanceof Failure || error instanceof WeirError
    ? line
    : `Cannot go on: ${line}; this is a bug in weir`;
}
