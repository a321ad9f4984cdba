// SPDX-License-Identifier: Apache-2.0
/** Facts about the kernel that are kept for as long as somebody needs them. */

interface Fact<Value> {
  value: Value | undefined;
  readonly users: Set<string>;
}

/** Values by key, each with those who use it; a value without users is forgotten. */
export class UsedFacts<Key, Value> {
  readonly #facts = new Map<Key, Fact<Value>>();

  /** The value, read by `read` if nobody used it before. */
  use(key: Key, user: string, read: () => Value | undefined): Value | undefined {
    let fact = this.#facts.get(key);
    if (fact === undefined) {
      fact = { value: read(), users: new Set() };
      this.#facts.set(key, fact);
    }
    fact.users.add(user);
    return fact.value;
  }

  /** True if that was the last user. */
  leave(key: Key, user: string): boolean {
    const fact = this.#facts.get(key);
    if (fact === undefined || !fact.users.delete(user) || fact.users.size > 0) return false;
    return this.#facts.delete(key);
  }

  get(key: Key): Value | undefined {
    return this.#facts.get(key)?.value;
  }

  /** Takes a new value; nothing happens if nobody uses it. Returns the users. */
  set(key: Key, value: Value | undefined): ReadonlySet<string> {
    const fact = this.#facts.get(key);
    if (fact === undefined) return nobody;
    fact.value = value;
    return fact.users;
  }

  has(key: Key): boolean {
    return this.#facts.has(key);
  }

  /** Keys that are in use. */
  keys(): IterableIterator<Key> {
    return this.#facts.keys();
  }

  users(key: Key): ReadonlySet<string> {
    return this.#facts.get(key)?.users ?? nobody;
  }
}

const nobody: ReadonlySet<string> = new Set();
