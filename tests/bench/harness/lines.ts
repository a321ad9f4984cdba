// SPDX-License-Identifier: Apache-2.0
/** Lines of a stream, one at a time, for as long as a reader wants to wait. */

import type { Readable } from "node:stream";

type Waiter = (line: string | undefined) => void;

/** Keeps what comes until it is asked for. */
export class Lines {
  readonly #lines: string[] = [];
  #rest = "";
  #waiter: Waiter | undefined;
  #ended = false;

  constructor(stream: Readable) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => this.#add(text));
    stream.on("close", () => this.#end());
  }

  /** The next line; `undefined` at the end of the stream. One call at a time. */
  next(): Promise<string | undefined> {
    const line = this.#lines.shift();
    if (line !== undefined || this.#ended) return Promise.resolve(line);
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.#waiter = resolve;
    return promise;
  }

  #add(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    this.#lines.push(...lines);
    if (this.#lines.length > 0) this.#wake();
  }

  #end(): void {
    this.#ended = true;
    this.#wake();
  }

  #wake(): void {
    const waiter = this.#waiter;
    if (waiter === undefined) return;
    this.#waiter = undefined;
    waiter(this.#lines.shift());
  }
}
