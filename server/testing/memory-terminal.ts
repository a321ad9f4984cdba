// SPDX-License-Identifier: Apache-2.0
/** A terminal that remembers what a command wrote. */

import type { Terminal } from "../cli/terminal.ts";

/** Collects output until it is taken. */
export class MemoryTerminal implements Terminal {
  stdout = "";
  stderr = "";
  readonly #decoder = new TextDecoder();

  async out(text: string | Uint8Array): Promise<void> {
    this.stdout += typeof text === "string" ? text : this.#decoder.decode(text, { stream: true });
  }

  err(line: string): void {
    this.stderr += `${line}\n`;
  }
}
