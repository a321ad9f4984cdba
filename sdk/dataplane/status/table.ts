// SPDX-License-Identifier: Apache-2.0
/** The objects as readers see them: with owner and live status. */

import { type Kind, type KindObjects, keyText } from "../schema/index.ts";
import type { Candidate } from "../state/candidate.ts";
import type { DesiredState } from "../state/desired.ts";

/** An object with its owner and what it is like in the kernel. */
export type TableEntry<K extends Kind> = KindObjects[K] & {
  readonly owner: string;
  readonly status: Readonly<Record<string, unknown>>;
};

/** The objects of one kind. */
export interface Table<K extends Kind = Kind> {
  /** Objects, of all owners. */
  readonly size: number;
  /**
   * The object under a key: a name, `{ vrf, prefix }` for routes, `{ vrf, mac }` for bridge entries, the number of a
   * label or VNI. Of a route's owners the one that wins.
   */
  get(key: string | number | object): TableEntry<K> | undefined;
  /** All objects; a route of several owners comes once for each, `status.active` tells which one is in the kernel. */
  entries(): IterableIterator<TableEntry<K>>;
}

/** Kinds of which several owners may have the same key, or something else may have it before them. */
const SHADOWED: ReadonlySet<Kind> = new Set(["routes", "fdb"]);

/** Tells the live status of an object. */
export type StatusOf<K extends Kind> = (object: KindObjects[K], key: string) => Readonly<Record<string, unknown>>;

/** A table over the desired state. */
export function tableOf<K extends Kind>(kind: K, state: DesiredState, statusOf: StatusOf<K>): Table<K> {
  const entry = ({ object, owner }: Candidate<K>, key: string, active: boolean): TableEntry<K> => {
    const status = SHADOWED.has(kind) ? { active, ...statusOf(object, key) } : statusOf(object, key);
    return { ...object, owner, status };
  };
  return {
    get size() {
      return state.size(kind);
    },
    get(key) {
      const text = keyText(kind, key);
      const winner = state.candidates(kind, text)[0];
      return winner === undefined ? undefined : entry(winner, text, true);
    },
    *entries() {
      for (const [key, candidates] of state.entries(kind)) {
        for (const [i, candidate] of candidates.entries()) yield entry(candidate, key, i === 0);
      }
    },
  };
}
