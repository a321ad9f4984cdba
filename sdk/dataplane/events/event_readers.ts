// SPDX-License-Identifier: Apache-2.0
import type { SlowPath } from "../../slowpath/index.ts";
import type { EventHub, EventKind } from "./events.ts";

/** What a kind of event is made from. */
export interface EventSource {
  readonly kind: EventKind;
  /** Ring buffer in which the kernel programs leave it. */
  readonly ring: { readonly fd: number; skip(): void };
  readonly slowPath: Pick<SlowPath, "watch">;
  /** Takes over what is in the ring. */
  read(): void;
  /** Has the kernel programs begin or end to write. */
  turn(on: boolean): void;
}

/** Has a ring buffer written and read for as long as somebody reads events of its kind: what costs is not done for nobody. */
export class EventReaders implements Disposable {
  readonly #source: EventSource;
  #watch: Disposable | undefined;
  #count = 0;

  constructor(hub: EventHub, source: EventSource) {
    this.#source = source;
    hub.addSource((kinds) => this.#listen(kinds));
  }

  /** True while somebody reads. */
  get present(): boolean {
    return this.#count > 0;
  }

  #listen(kinds: readonly EventKind[]): Disposable {
    if (!kinds.includes(this.#source.kind)) return { [Symbol.dispose]() {} };
    if (this.#count++ === 0) this.#begin();
    return {
      [Symbol.dispose]: () => {
        if (this.#count > 0 && --this.#count === 0) this.#end();
      },
    };
  }

  #begin(): void {
    const { ring, slowPath } = this.#source;
    // What an earlier reader left is not from now on.
    ring.skip();
    this.#watch = slowPath.watch(ring.fd, () => this.#source.read());
    this.#source.turn(true);
  }

  #end(): void {
    this.#source.turn(false);
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
  }

  /** Ends it, whoever reads. */
  [Symbol.dispose](): void {
    this.#count = 0;
    this.#end();
  }
}
