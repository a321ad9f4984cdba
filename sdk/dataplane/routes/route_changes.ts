// SPDX-License-Identifier: Apache-2.0
import { Numbers } from "./numbers.ts";
import type { RouteTable } from "./route_table.ts";

/** What a transaction did to routes. Good until it is kept or rolled back. */
export class RouteChanges {
  readonly table: RouteTable;
  readonly #entries = new Numbers();
  readonly #before = new Numbers();
  readonly #after = new Numbers();

  constructor(table: RouteTable) {
    this.table = table;
  }

  get length(): number {
    return this.#entries.length;
  }

  /** Adds what became of an entry. */
  push(entry: number, before: number, after: number): void {
    this.#entries.push(entry);
    this.#before.push(before);
    this.#after.push(after);
  }

  entry(index: number): number {
    return this.#entries.at(index);
  }

  /** The first row of the entry before. */
  before(index: number): number {
    return this.#before.at(index);
  }

  /** The first row of the entry now. */
  after(index: number): number {
    return this.#after.at(index);
  }
}
