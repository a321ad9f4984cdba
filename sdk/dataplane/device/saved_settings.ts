// SPDX-License-Identifier: Apache-2.0
/** How devices were that Weir has changed, in the store, so that whoever takes the instance down can restore them. */
import { WeirError } from "../../errors.ts";
import type { Store } from "../../store/index.ts";

/** What was changed for each interface. */
export class SavedSettings<Saved> {
  readonly #store: Store;
  readonly #key: string;
  readonly #saved: Map<string, Saved>;

  /** @param key of the store's entry about these settings. */
  constructor(store: Store, key: string) {
    this.#store = store;
    this.#key = key;
    this.#saved = new Map(Object.entries(JSON.parse(store.meta(key) ?? "{}") as Record<string, Saved>));
  }

  get(name: string): Saved | undefined {
    return this.#saved.get(name);
  }

  /** Interfaces that something was changed for. */
  names(): string[] {
    return [...this.#saved.keys()];
  }

  set(name: string, saved: Saved): void {
    this.#saved.set(name, saved);
    this.#write();
  }

  delete(name: string): void {
    if (this.#saved.delete(name)) this.#write();
  }

  #write(): void {
    const text = this.#saved.size === 0 ? undefined : JSON.stringify(Object.fromEntries(this.#saved));
    this.#store.transaction((writer) => writer.setMeta(this.#key, text));
  }
}

/** Restores something; a device or a namespace that is gone needs nothing. */
export function unlessGone(restore: () => void): void {
  try {
    restore();
  } catch (error) {
    if (!(error instanceof WeirError) || !["ENOENT", "ENODEV"].includes(error.code)) throw error;
  }
}
