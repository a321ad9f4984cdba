// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";

/** Absolute path of something in the repository. */
export function root(...parts: readonly string[]): string {
  return join(import.meta.dirname, "..", ...parts);
}
