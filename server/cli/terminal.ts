// SPDX-License-Identifier: Apache-2.0
/** Where a command writes. Tests give one that remembers. */

/** Standard output and standard error. */
export interface Terminal {
  /** Writes to standard output; resolves when the reader has room again. */
  out(text: string | Uint8Array): Promise<void>;
  /** Writes one line to standard error. */
  err(line: string): void;
}

/** The process's own. A reader that goes away (`weir flows | head`) ends the process quietly. */
export function processTerminal(): Terminal {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  return {
    out: (text) => new Promise((resolve) => process.stdout.write(text, () => resolve())),
    err: (line) => void process.stderr.write(`${line}\n`),
  };
}
