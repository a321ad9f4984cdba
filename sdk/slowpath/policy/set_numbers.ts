// SPDX-License-Identifier: Apache-2.0
import { invalidRule } from "./match_fields.ts";

/** Numbers of the address sets that rules name, in the order in which they are named first. They stay as long as they are used. */
export class SetNumbers {
  readonly #names: (string | undefined)[] = [];
  readonly #numbers = new Map<string, number>();
  /** Names that there are; others are refused. */
  known: ReadonlyMap<string, unknown> | undefined;

  /** By number; `undefined`: nobody has it. */
  get names(): readonly (string | undefined)[] {
    return this.#names;
  }

  of(name: string, where: string): number {
    if (this.known?.has(name) !== true) throw invalidRule(where, `there is no set "${name}"`);
    const number = this.#numbers.get(name);
    if (number !== undefined) return number;
    const free = this.#names.indexOf(undefined);
    const taken = free < 0 ? this.#names.length : free;
    this.#names[taken] = name;
    this.#numbers.set(name, taken);
    return taken;
  }

  /** Frees all numbers but these. */
  keep(used: ReadonlySet<number>): void {
    for (const [name, number] of this.#numbers) {
      if (used.has(number)) continue;
      this.#numbers.delete(name);
      this.#names[number] = undefined;
    }
    while (this.#names.length > 0 && this.#names.at(-1) === undefined) this.#names.pop();
  }
}
