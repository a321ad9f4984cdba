// SPDX-License-Identifier: Apache-2.0
/** What a transaction asks for, brought into the desired state. */
import { WeirError } from "../errors.ts";
import type { Locate } from "./check.ts";
import { type DesiredState, INTERFACE_OWNER, sameValue } from "./desired.ts";
import { interfaceRoutes } from "./interface_routes.ts";
import {
  APPLY_STATE,
  below,
  checkObject,
  invalid,
  isKind,
  type Kind,
  type KindObjects,
  keyOf,
  keyText,
  kinds,
  pointerOf,
  splitState,
  unknownKind,
} from "./schema/index.ts";

/** Owners that Weir itself uses. */
const RESERVED_OWNERS: ReadonlySet<string> = new Set([INTERFACE_OWNER, "kernel"]);

const OWNER = /^[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,62}$/;

/** @throws WeirError `EINVAL` for a name that no owner can have. */
export function checkOwner(owner: string): string {
  if (OWNER.test(owner) && !RESERVED_OWNERS.has(owner)) return owner;
  throw new WeirError({
    code: "EINVAL",
    operation: `write as the owner ${JSON.stringify(owner)}`,
    reason: RESERVED_OWNERS.has(owner) ? "Weir uses the name itself" : "it is no name",
    hint: "use letters, digits and _ . : @ -, at most 63",
  });
}

interface Put {
  readonly kind: Kind;
  readonly object: unknown;
  /** Position among the puts of its kind: pointers are made for errors only. */
  readonly index: number;
}

interface Delete {
  readonly kind: Kind;
  readonly key: string;
}

/** Puts and deletes of one owner, in any order. */
export class Staging {
  readonly owner: string;
  /** What the owner does not put again goes. */
  readonly replace: boolean;
  readonly #puts: Put[] = [];
  readonly #deletes: Delete[] = [];
  readonly #counts = new Map<Kind, number>();

  constructor(owner: string, replace: boolean) {
    this.owner = checkOwner(owner);
    this.replace = replace;
  }

  /** The staging of a whole state document. @throws WeirError `EINVALIDSTATE` */
  static ofState(document: unknown, owner: string): Staging {
    const staging = new Staging(owner, true);
    const parts = splitState(document);
    // In the order of the kinds, so that the lines of a difference come in it too.
    for (const kind of kinds) for (const object of parts.get(kind) ?? []) staging.put(kind, object);
    return staging;
  }

  /** The form of `object` is checked when the staging is brought in. */
  put(kind: string, object: unknown): void {
    if (!isKind(kind)) throw unknownKind(kind, below("", kind));
    const count = this.#counts.get(kind) ?? 0;
    this.#counts.set(kind, count + 1);
    this.#puts.push({ kind, object, index: count });
  }

  delete(kind: string, key: unknown): void {
    if (!isKind(kind)) throw unknownKind(kind, below("", kind));
    this.#deletes.push({ kind, key: keyText(kind, key) });
  }

  /**
   * Brings it all into `state`, host routes of interfaces included; unchanged objects are left alone.
   * @returns where each object that was put stands.
   * @throws WeirError; `state` is then to be rolled back.
   */
  bringInto(state: DesiredState): Locate {
    const places = new Map<Kind, Map<string, number>>(kinds.map((kind) => [kind, new Map()]));
    const placeOf = (kind: Kind, key: string) => places.get(kind)?.get(key);
    const keys = this.#puts.map(({ kind, object, index }) => {
      checkObject(kind, object, () => pointerOf(kind, index));
      const key = keyOf(kind, object as KindObjects[typeof kind]);
      const own = places.get(kind);
      const first = own?.get(key);
      if (first !== undefined) {
        const problem = `repeats ${JSON.stringify(key)}, which ${pointerOf(kind, first)} has too`;
        throw invalid(pointerOf(kind, index), problem, "give it once");
      }
      own?.set(key, index);
      return key;
    });
    for (const { kind, key } of this.#deletes) this.#bringDelete(state, kind, key);
    if (this.replace) this.#deleteTheRest(state, (kind, key) => placeOf(kind, key) !== undefined);
    for (const [i, { kind, object, index }] of this.#puts.entries()) {
      this.#bringPut(state, kind, keys[i] ?? "", object as never, index);
    }
    renewInterfaceRoutes(state);
    return (kind, key) => {
      const index = placeOf(kind, key);
      return index === undefined ? below(below("", kind), key) : pointerOf(kind, index);
    };
  }

  #bringPut<K extends Kind>(state: DesiredState, kind: K, key: string, object: KindObjects[K], index: number): void {
    const before = state.candidates(kind, key);
    for (const candidate of before) {
      if (candidate.owner === this.owner) {
        if (sameValue(candidate.object, object)) return;
      } else if (kind !== "routes") {
        const name = kind === "node" ? "the node" : JSON.stringify(key);
        const pointer = pointerOf(kind, index);
        throw new WeirError({
          code: "EEXIST",
          operation: APPLY_STATE,
          reason: `${pointer} is ${name}, which belongs to owner "${candidate.owner}"`,
          hint: "delete it there, or use another name",
          field: pointer,
        });
      }
    }
    // A copy: what the caller does with its object later is no change of the state.
    state.putOver(kind, key, before, this.owner, kind === "routes" ? { ...object } : structuredClone(object));
  }

  #bringDelete(state: DesiredState, kind: Kind, key: string): void {
    if (state.delete(kind, key, this.owner)) return;
    const owners = state.candidates(kind, key).map((candidate) => `"${candidate.owner}"`);
    throw new WeirError({
      code: "ENOENT",
      operation: `delete ${kind} "${key}"`,
      reason: owners.length === 0 ? "there is none" : `it belongs to owner ${owners.join(" and ")}`,
    });
  }

  #deleteTheRest(state: DesiredState, kept: (kind: Kind, key: string) => boolean): void {
    for (const kind of kinds) {
      for (const [key, candidates] of state.entries(kind)) {
        if (candidates.some((c) => c.owner === this.owner) && !kept(kind, key)) state.delete(kind, key, this.owner);
      }
    }
  }
}

/** Makes the host routes of changed interfaces what their addresses say. */
export function renewInterfaceRoutes(state: DesiredState): void {
  const changes = state.changesOf("interfaces");
  for (const { before } of changes) {
    for (const { object } of before) {
      for (const route of interfaceRoutes(object)) state.delete("routes", keyOf("routes", route), INTERFACE_OWNER);
    }
  }
  for (const { after } of changes) {
    for (const { object } of after) {
      for (const route of interfaceRoutes(object)) state.put("routes", keyOf("routes", route), INTERFACE_OWNER, route);
    }
  }
}
