// SPDX-License-Identifier: Apache-2.0
import { Numbers } from "./numbers.ts";

/** Numbers for names, so that what names the same thing a million times holds four bytes each. */
export class NameTable {
  readonly #numbers = new Map<string, number>();
  readonly #names: string[] = [];
  readonly #uses = new Numbers();
  readonly #free: number[] = [];
  /** Numbers that may have no use. */
  #idle: number[] = [];

  /** The number of a name; `undefined`: it has none. */
  get(name: string): number | undefined {
    return this.#numbers.get(name);
  }

  name(number: number): string {
    return this.#names[number] ?? "";
  }

  /** The number of a name, a new one when it has none. It lasts while it is in use; see `sweep`. */
  take(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#free.pop() ?? this.#names.length;
    this.#numbers.set(name, number);
    this.#names[number] = name;
    this.#idle.push(number);
    return number;
  }

  use(number: number): void {
    this.#uses.add(number, 1);
  }

  release(number: number): void {
    this.#uses.add(number, -1);
    if (this.#uses.at(number) === 0) this.#idle.push(number);
  }

  /** Forgets the names that nothing uses. */
  sweep(): void {
    for (const number of this.#idle) {
      const name = this.name(number);
      if (this.#uses.at(number) > 0 || this.#numbers.get(name) !== number) continue;
      this.#numbers.delete(name);
      this.#names[number] = "";
      this.#free.push(number);
    }
    this.#idle = [];
  }
}
