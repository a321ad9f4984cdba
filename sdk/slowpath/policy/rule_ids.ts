// SPDX-License-Identifier: Apache-2.0
import type { RuleReference } from "./types.ts";

/** Numbers for rules: a hash of policy and rule, so that flows of an earlier run still name theirs. */
export class RuleIds {
  readonly #byKey = new Map<string, RuleReference>();
  readonly #byId = new Map<number, string>();
  readonly #asked = new Set<RuleReference>();

  of(policy: string, rule: string): number {
    const key = `${policy}\0${rule}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      this.#asked.add(known);
      return known.id;
    }
    let id = hash(key);
    // 0 means "no rule".
    while (id === 0 || this.#byId.has(id)) id = (id + 1) >>> 0;
    const reference = { id, policy, rule };
    this.#byKey.set(key, reference);
    this.#asked.add(reference);
    this.#byId.set(id, key);
    return id;
  }

  /** Those that were asked for since the last call. */
  takeAsked(): readonly RuleReference[] {
    const asked = [...this.#asked];
    this.#asked.clear();
    return asked;
  }
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
