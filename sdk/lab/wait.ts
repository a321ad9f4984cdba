// SPDX-License-Identifier: Apache-2.0
/** Waiting for something that comes about in its own time. */

import { WeirError } from "../errors.ts";

export interface WaitOptions {
  /** Default 5000. */
  readonly timeoutMs?: number;
  /** Time between two tries. Default 10. */
  readonly intervalMs?: number;
  /** What is waited for, for the error. Default "a condition". */
  readonly what?: string;
}

/**
 * Calls `predicate` until it gives something other than `false`, `undefined` or `null`, and returns that.
 * @throws WeirError `ETIMEDOUT`; what `predicate` throws passes through
 */
export async function waitFor<T>(
  predicate: () => T | Promise<T>,
  o: WaitOptions = {},
): Promise<Exclude<T, false | undefined | null>> {
  const timeoutMs = o.timeoutMs ?? 5000;
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await predicate();
    if (value !== false && value !== undefined && value !== null) {
      return value as Exclude<T, false | undefined | null>;
    }
    if (Date.now() >= deadline) {
      throw new WeirError({
        code: "ETIMEDOUT",
        operation: `wait for ${o.what ?? "a condition"}`,
        reason: `it did not come within ${timeoutMs} ms`,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, o.intervalMs ?? 10));
  }
}
