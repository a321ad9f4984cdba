// SPDX-License-Identifier: Apache-2.0

import type { CommitOptions, Committed, Core } from "../core.ts";
import type { Kind, KindObjects } from "../schema/index.ts";
import { DEFAULT_OWNER } from "./candidate.ts";
import { Staging } from "./staging.ts";

/** Options of a transaction. */
export interface TransactionOptions {
  /** Whose objects it puts and deletes. Default `state`. */
  readonly owner?: string | undefined;
  /** False: what it puts goes with the process. Default true. */
  readonly durable?: boolean | undefined;
  /** What the owner does not put again goes at commit. Default false. */
  readonly replace?: boolean | undefined;
}

/**
 * Puts and deletes that become real together, or not at all. References may come in any order; the cost is by
 * the change, not by what is there.
 */
export class Transaction {
  readonly #core: Core;
  readonly #staging: Staging;

  /** @internal Made by `DataPlane.transaction`. */
  constructor(core: Core, o: TransactionOptions) {
    this.#core = core;
    this.#staging = Staging.of(o.owner ?? DEFAULT_OWNER, o.replace ?? false, o.durable ?? true);
  }

  /** Objects to be there; one of the same key is replaced. @throws WeirError `EINVALIDSTATE` for an unknown kind. */
  put<K extends Kind>(kind: K, ...objects: readonly KindObjects[K][]): this;
  put(kind: string, ...objects: readonly object[]): this;
  put(kind: string, ...objects: readonly object[]): this {
    for (const object of objects) this.#staging.put(kind, object);
    return this;
  }

  /** Objects to be gone, by name or by `{ vrf, prefix }`. */
  delete(kind: string, ...keys: readonly (string | object)[]): this {
    for (const key of keys) this.#staging.delete(kind, key);
    return this;
  }

  /**
   * Brings it all into state, store and kernel.
   * @returns when the kernel has it.
   * @throws WeirError `EREVISION` when the state is not at `ifRevision`, `EINVALIDSTATE` (its `field` is
   *   `/KIND/INDEX/…`, the index counting the puts of the kind), `EREFERENCED`, `EEXIST`, `ENOENT`, `ETABLEFULL`, or what
   *   the kernel says; nothing is changed then.
   */
  async commit(o: CommitOptions = {}): Promise<Committed> {
    return this.#core.commit(this.#staging, o);
  }
}
