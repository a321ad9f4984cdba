// SPDX-License-Identifier: Apache-2.0
import { Numbers } from "./numbers.ts";

/** No position, no put. */
export const NOWHERE = -1;

/** The entries that a transaction touched, with what they were before, and the puts that stand for them. */
export class RouteJournal {
  /** By entry: its position and 1; 0: it was not touched. */
  readonly #positions = new Numbers();
  #entries = new Numbers();
  #before = new Numbers();
  #puts = new Numbers();

  get length(): number {
    return this.#entries.length;
  }

  /** Notes an entry when it is touched first. @param head its first row as it is. @returns its position */
  note(entry: number, head: number): number {
    const known = this.position(entry);
    if (known !== NOWHERE) return known;
    this.#entries.push(entry);
    this.#before.push(head);
    this.#puts.push(NOWHERE);
    this.#positions.put(entry, this.length);
    return this.length - 1;
  }

  /** Position of an entry; NOWHERE: it was not touched, or there is none. */
  position(entry: number): number {
    return entry < 0 ? NOWHERE : this.#positions.at(entry) - 1;
  }

  entry(position: number): number {
    return this.#entries.at(position);
  }

  /** The first row that the entry had. */
  before(position: number): number {
    return this.#before.at(position);
  }

  /** Which put stands for the entry. */
  put(position: number): number {
    return this.#puts.at(position);
  }

  setPut(position: number, put: number): void {
    this.#puts.set(position, put);
  }

  /** Forgets all. */
  clear(): void {
    for (let at = 0; at < this.length; at++) this.#positions.set(this.entry(at), 0);
    this.#entries = new Numbers();
    this.#before = new Numbers();
    this.#puts = new Numbers();
  }
}
