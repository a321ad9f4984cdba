// SPDX-License-Identifier: Apache-2.0
/** What a transaction asks for, brought into the desired state. */
import { WeirError } from "../../errors.ts";
import type { Locate } from "../check/check.ts";
import { deleteOtherRoutes, deleteRoutes, enterRoutes, missing, putRoutes } from "../routes/bring_routes.ts";
import { StagedRouteKeys, StagedRoutes } from "../routes/staged_routes.ts";
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
  NODE_KEY,
  pointerOf,
  splitState,
  unknownKind,
} from "../schema/index.ts";
import { INTERFACE_OWNER, KERNEL_OWNER } from "./candidate.ts";
import { type DesiredState, type ObjectKind, sameValue } from "./desired.ts";
import { interfaceRoutes } from "./interface_routes.ts";

/** Owners that Weir itself uses. */
const RESERVED_OWNERS: ReadonlySet<string> = new Set([INTERFACE_OWNER, KERNEL_OWNER]);

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
  readonly kind: ObjectKind;
  readonly object: unknown;
  /** Position among the puts of its kind: pointers are made for errors only. */
  readonly index: number;
}

/** Stands for all routes, where the first of them was given. */
const ROUTES = "routes";

interface Delete {
  readonly kind: ObjectKind;
  readonly key: string;
}

/** Puts and deletes of one owner, in any order. */
export class Staging {
  readonly owner: string;
  /** What the owner does not put again goes. */
  readonly replace: boolean;
  /** What is put outlives the process. */
  readonly durable: boolean;
  readonly #puts: (Put | typeof ROUTES)[] = [];
  readonly #deletes: (Delete | typeof ROUTES)[] = [];
  readonly #counts = new Map<ObjectKind, number>();
  readonly #routes: StagedRoutes;
  readonly #routeKeys = new StagedRouteKeys();
  /** What is wrong with the form of a route. It is told when the staging is brought in, like that of other objects. */
  #problem: unknown;

  private constructor(owner: string, replace: boolean, durable: boolean) {
    this.owner = owner;
    this.replace = replace;
    this.durable = durable;
    this.#routes = new StagedRoutes(owner, durable);
  }

  /** The staging of a transaction. @throws WeirError `EINVAL` for a name that no owner can have */
  static of(owner: string, replace: boolean, durable = true): Staging {
    return new Staging(checkOwner(owner), replace, durable);
  }

  /** The staging of what `kernelRoutes` brings. */
  static ofKernel(): Staging {
    return new Staging(KERNEL_OWNER, false, false);
  }

  /** The staging of a whole state document. @throws WeirError `EINVALIDSTATE` */
  static ofState(document: unknown, owner: string): Staging {
    const staging = Staging.of(owner, true);
    const parts = splitState(document);
    // In the order of the kinds, so that the lines of a difference come in it too.
    for (const kind of kinds) for (const object of parts.get(kind) ?? []) staging.put(kind, object);
    return staging;
  }

  /** The form of `object` is checked when the staging is brought in. A route is taken over as it is now. */
  put(kind: string, object: unknown): void {
    if (!isKind(kind)) throw unknownKind(kind, below("", kind));
    if (kind === "routes") {
      this.#putRoute(object);
      return;
    }
    const count = this.#counts.get(kind) ?? 0;
    this.#counts.set(kind, count + 1);
    this.#puts.push({ kind, object, index: count });
  }

  #putRoute(object: unknown): void {
    if (this.#routes.given === 0) this.#puts.push(ROUTES);
    if (this.#problem !== undefined) return;
    try {
      this.#routes.put(object);
    } catch (problem) {
      this.#problem = problem;
    }
  }

  delete(kind: string, key: unknown): void {
    if (!isKind(kind)) throw unknownKind(kind, below("", kind));
    const text = keyText(kind, key);
    if (kind === "routes") {
      if (this.#routeKeys.length === 0) this.#deletes.push(ROUTES);
      this.#routeKeys.add(text);
    } else {
      this.#deletes.push({ kind, key: text });
    }
  }

  /**
   * Brings it all into `state`, host routes of interfaces included; unchanged objects are left alone.
   * @returns where each object that was put stands.
   * @throws WeirError; `state` is then to be rolled back.
   */
  bringInto(state: DesiredState): Locate {
    const places = new Map<Kind, Map<string, number>>(kinds.map((kind) => [kind, new Map()]));
    const keys = this.#puts.map((put) => (put === ROUTES ? "" : this.#keyOf(put, places)));
    if (this.#problem !== undefined) throw this.#problem;
    const entries = enterRoutes(state.routes, this.#routes);
    for (const each of this.#deletes) {
      if (each === ROUTES) this.#deleteRoutes(state);
      else if (!state.delete(each.kind, each.key, this.owner)) {
        throw missing(each.kind, each.key, state.candidates(each.kind, each.key));
      }
    }
    if (this.replace) this.#deleteTheRest(state, places);
    for (const [i, put] of this.#puts.entries()) {
      if (put !== ROUTES) this.#bringPut(state, put, keys[i] ?? "");
      else {
        state.noteRoutes();
        putRoutes(state.routes, this.#routes, entries, this.owner);
      }
    }
    renewInterfaceRoutes(state);
    return (kind, key) => {
      const index = kind === "routes" ? state.routes.place(state.routes.find(key)) : (places.get(kind)?.get(key) ?? -1);
      return index < 0 ? below(below("", kind), key) : pointerOf(kind, index);
    };
  }

  /** Key of what is put. @throws WeirError when its form is wrong, or the key was given before */
  #keyOf({ kind, object, index }: Put, places: ReadonlyMap<Kind, Map<string, number>>): string {
    checkObject(kind, object, () => pointerOf(kind, index));
    const key = keyOf(kind, object);
    const own = places.get(kind);
    const first = own?.get(key);
    if (first !== undefined) {
      const problem = `repeats ${JSON.stringify(key)}, which ${pointerOf(kind, first)} has too`;
      throw invalid(pointerOf(kind, index), problem, "give it once");
    }
    own?.set(key, index);
    return key;
  }

  #bringPut(state: DesiredState, { kind, object, index }: Put, key: string): void {
    for (const candidate of state.candidates(kind, key)) {
      if (candidate.owner === this.owner) {
        if (sameValue(candidate.object, object)) return;
      } else {
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
    state.put(kind, key, this.owner, structuredClone(object) as KindObjects[typeof kind], this.durable);
  }

  #deleteRoutes(state: DesiredState): void {
    state.noteRoutes();
    deleteRoutes(state.routes, this.#routeKeys, this.owner);
  }

  #deleteTheRest(state: DesiredState, places: ReadonlyMap<Kind, ReadonlyMap<string, number>>): void {
    for (const kind of kinds) {
      if (kind === "routes") {
        if (deleteOtherRoutes(state.routes, this.owner)) state.noteRoutes();
        continue;
      }
      for (const [key, candidates] of state.entries(kind)) {
        if (candidates.some((c) => c.owner === this.owner) && places.get(kind)?.has(key) !== true) {
          state.delete(kind, key, this.owner);
        }
      }
    }
  }
}

/** Makes the host routes of changed interfaces what their addresses say, and those of the host what the node's does. */
export function renewInterfaceRoutes(state: DesiredState): void {
  const changes = state.changesOf("interfaces");
  const before = changes.flatMap((change) => change.before.map(({ object }) => object));
  const after = changes.flatMap((change) => change.after.map(({ object }) => object));
  const [node] = state.changesOf("node");
  const underlay = state.get("node", NODE_KEY)?.underlay;
  const was = node === undefined ? underlay : node.before[0]?.object.underlay;
  if (was !== underlay) {
    const changed = new Set(changes.map(({ key }) => key));
    for (const object of state.objects("interfaces")) {
      if (object.role !== "host" || changed.has(object.name)) continue;
      before.push(object);
      after.push(object);
    }
  }
  for (const object of before) {
    for (const route of interfaceRoutes(object, was)) state.delete("routes", keyOf("routes", route), INTERFACE_OWNER);
  }
  for (const object of after) {
    for (const route of interfaceRoutes(object, underlay)) {
      state.put("routes", keyOf("routes", route), INTERFACE_OWNER, route, false);
    }
  }
}
