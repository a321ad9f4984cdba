// SPDX-License-Identifier: Apache-2.0
/** Descriptors that a worker polls on behalf of the main thread (struct watched_descriptor), from its side. */

import { WeirError } from "../errors.ts";
import { WEIR_WATCHES, watchedDescriptorCodec, watchedDescriptorLayout } from "../layout/index.ts";
import type { WorkerMemory } from "./worker_memory.ts";

/**
 * How long a descriptor is not polled after it was read, in milliseconds: what comes one by one is then read in
 * groups, and wakes neither thread more than so often.
 */
const PAUSE_MS = 10;

interface Watch {
  readonly listener: () => void;
  pause: ReturnType<typeof setTimeout> | undefined;
}

/** The watches of one worker. */
export class Watches implements Disposable {
  readonly #memory: WorkerMemory;
  readonly #wake: () => void;
  readonly #watches = new Map<number, Watch>();

  /** @param wake ends the worker's sleep, so that it takes changes over. */
  constructor(memory: WorkerMemory, wake: () => void) {
    this.#memory = memory;
    this.#wake = wake;
  }

  /**
   * Calls `listener` when `fd` is readable, until the result is disposed; the listener reads all that is there. The
   * descriptor must stay open for as long.
   * @throws WeirError `EBUSY` when there is no place left
   */
  add(fd: number, listener: () => void): Disposable {
    const index = Array.from({ length: WEIR_WATCHES }, (_, i) => i).find((i) => !this.#watches.has(i));
    if (index === undefined) {
      const reason = `${WEIR_WATCHES} are watched already`;
      throw new WeirError({ code: "EBUSY", operation: `watch descriptor ${fd}`, reason });
    }
    const watch: Watch = { listener, pause: undefined };
    this.#watches.set(index, watch);
    this.#store(index, "told", 0);
    this.#store(index, "fd", fd + 1);
    this.#wake();
    return { [Symbol.dispose]: () => this.#remove(index, watch) };
  }

  /** The worker says that a descriptor is readable. */
  readable(index: number): void {
    const watch = this.#watches.get(index);
    // Taken away meanwhile.
    if (watch === undefined || watch.pause !== undefined) return;
    watch.pause = setTimeout(() => {
      watch.pause = undefined;
      this.#store(index, "told", 0);
      this.#wake();
    }, PAUSE_MS);
    watch.listener();
  }

  #remove(index: number, watch: Watch): void {
    if (this.#watches.get(index) !== watch) return;
    clearTimeout(watch.pause);
    this.#watches.delete(index);
    this.#store(index, "fd", 0);
    this.#wake();
  }

  #store(index: number, field: keyof typeof watchedDescriptorCodec, value: number): void {
    const at =
      this.#memory.layout.watches + index * watchedDescriptorLayout.size + watchedDescriptorCodec[field].offset;
    Atomics.store(this.#memory.words, at >> 2, value);
  }

  [Symbol.dispose](): void {
    for (const [index, watch] of [...this.#watches]) this.#remove(index, watch);
  }
}
