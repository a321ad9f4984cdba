// SPDX-License-Identifier: Apache-2.0
import type { EventHub, EventKind } from "./events.ts";

/** Does something for as long as somebody reads events of a kind: what costs is not done for nobody. */
export class EventReaders implements Disposable {
  readonly #kind: EventKind;
  readonly #begin: () => void;
  readonly #end: () => void;
  #count = 0;

  /**
   * @param begin called when the first reader comes.
   * @param end called when the last one has left.
   */
  constructor(hub: EventHub, kind: EventKind, begin: () => void, end: () => void) {
    this.#kind = kind;
    this.#begin = begin;
    this.#end = end;
    hub.addSource((kinds) => this.#listen(kinds));
  }

  /** True while somebody reads. */
  get present(): boolean {
    return this.#count > 0;
  }

  #listen(kinds: readonly EventKind[]): Disposable {
    if (!kinds.includes(this.#kind)) return { [Symbol.dispose]() {} };
    if (this.#count++ === 0) this.#begin();
    return {
      [Symbol.dispose]: () => {
        if (this.#count > 0 && --this.#count === 0) this.#end();
      },
    };
  }

  /** Ends it, whoever reads. */
  [Symbol.dispose](): void {
    this.#count = 0;
    this.#end();
  }
}
