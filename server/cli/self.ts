// SPDX-License-Identifier: Apache-2.0
/** How this program starts itself once more. */

import { extname, join } from "node:path";

/** Where the compiled binary keeps its modules. */
const COMPILED_ROOT = "/$bunfs/";

/** The command line of `weir ...args`, of the compiled binary or of the sources, whichever this process is. */
export function weirCommand(args: readonly string[]): string[] {
  if (import.meta.dirname.startsWith(COMPILED_ROOT)) return [process.execPath, ...args];
  // The npm package has main.js.
  return [process.execPath, join(import.meta.dirname, `main${extname(import.meta.filename)}`), ...args];
}
