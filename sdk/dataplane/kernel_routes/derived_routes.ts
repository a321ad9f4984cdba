// SPDX-License-Identifier: Apache-2.0
/** Brings what the kernel's tables want into the desired state: routes, and the next hops that they need. */
import type { Family } from "../../address.ts";
import { type KindObjects, type Nexthop, splitKey } from "../schema/index.ts";
import { KERNEL_OWNER } from "../state/candidate.ts";
import { type DesiredState, sameValue } from "../state/desired.ts";
import type { MirroredVrf } from "./mirrored_vrf.ts";

/** A change of what the kernel has in the desired state; without `put` the object goes. */
export interface DerivedChange {
  readonly kind: "routes" | "nexthops";
  readonly key: string;
  readonly put?: object;
}

/** What could not be done. */
export interface DerivedFailure {
  readonly change: DerivedChange;
  readonly error: unknown;
}

/** Brings changes into state and kernel, as many of them as can be. */
export type CommitDerived = (changes: readonly DerivedChange[]) => readonly DerivedFailure[];

/** What a turn did. */
export interface Brought {
  /** Why some of it could not be done. */
  readonly failures: readonly unknown[];
  /** Nothing is left for another turn. */
  readonly isDone: boolean;
}

/** Time after which other work gets its turn, and how many destinations are brought in until then. */
const SLICE_MS = 10;
const LEAST_SLICE = 128;
const MOST_SLICE = 4096;

/** Objects of the owner `kernel`. */
export class DerivedRoutes {
  readonly #state: DesiredState;
  readonly #vrfs: ReadonlyMap<string, MirroredVrf>;
  readonly #room: (family: Family) => number;
  /** Until it is given changes wait. */
  commit: CommitDerived | undefined;
  /** The change at hand is its own. */
  isBringing = false;
  /** There may be next hops that no route needs. */
  #strays = false;
  /** Destinations of a turn, by how long those of the last ones took. */
  #size = 1024;

  /** @param room routes of a family that the kernel's map has room for */
  constructor(state: DesiredState, vrfs: ReadonlyMap<string, MirroredVrf>, room: (family: Family) => number) {
    this.#state = state;
    this.#vrfs = vrfs;
    this.#room = room;
  }

  /** Puts everything into a state that is not in the kernel's maps yet. */
  resume(): void {
    for (const [name, nexthop] of this.#wantedNexthops())
      this.#state.put("nexthops", name, KERNEL_OWNER, nexthop, false);
    const taken = this.#state.size("routes");
    const left = { 4: this.#room(4) - taken, 6: this.#room(6) - taken };
    for (const { name, table, routeTo, refused } of this.#vrfs.values()) {
      for (const destination of table.dirty) {
        const route = routeTo(destination);
        if (route === undefined) continue;
        if (left[familyOf(destination)]-- <= 0) refused.add(destination);
        else this.#state.put("routes", `${name} ${destination}`, KERNEL_OWNER, route, false);
      }
      table.dirty.clear();
    }
  }

  /** Brings what is dirty into state and kernel, make before break. */
  bring(): Brought {
    const { commit } = this;
    if (commit === undefined) return { failures: [], isDone: true };
    const failures: unknown[] = [];
    const bring = (changes: readonly DerivedChange[]) => {
      if (changes.length === 0) return;
      this.isBringing = true;
      const failed = commit(changes);
      this.isBringing = false;
      for (const { change, error } of failed) {
        failures.push(error);
        this.#refuse(change);
      }
    };
    const vrfs = [...this.#vrfs.values()];
    this.#strays ||= vrfs.some(({ table }) => table.waysChanged);
    for (const { table } of vrfs) table.waysChanged = false;
    const nexthops = this.#strays ? this.#wantedNexthops() : undefined;
    const missing = [...(nexthops ?? [])].filter(([key, put]) => !sameValue(this.#owned("nexthops", key), put));
    bring(missing.map(([key, put]) => ({ kind: "nexthops", key, put })));
    const start = performance.now();
    const waiting = vrfs.reduce((sum, { table }) => sum + table.dirty.size, 0);
    bring(this.#slice());
    // A small turn says little of a large one.
    if (waiting >= this.#size) this.#resize(performance.now() - start);
    const isDone = vrfs.every(({ table }) => table.dirty.size === 0);
    if (nexthops !== undefined && isDone) {
      const strays = [...derivedNexthops(this.#state)].filter(({ name }) => !nexthops.has(name));
      bring(strays.map(({ name: key }) => ({ kind: "nexthops", key })));
      this.#strays = false;
    }
    return { failures, isDone };
  }

  #resize(elapsedMs: number): void {
    const fitting = Math.round((this.#size * SLICE_MS) / Math.max(elapsedMs, 1));
    this.#size = Math.min(Math.max(fitting, this.#size >> 1, LEAST_SLICE), this.#size << 1, MOST_SLICE);
  }

  /** A VRF follows its table no more: next hops that only its routes needed go with the next turn. */
  vrfLeft(): void {
    this.#strays = true;
  }

  /** Has what found no room tried again. */
  retryRefused(): void {
    for (const { table, refused } of this.#vrfs.values()) {
      for (const destination of refused) table.dirty.add(destination);
      refused.clear();
    }
  }

  #refuse({ kind, key, put }: DerivedChange): void {
    if (kind !== "routes" || put === undefined) return;
    const [vrf, destination] = splitKey(key);
    this.#vrfs.get(vrf)?.refused.add(destination);
  }

  /** Some of the changed destinations: first what goes or changes, then what is new, as far as there is room. */
  #slice(): DerivedChange[] {
    const changes: DerivedChange[] = [];
    const added: { readonly change: DerivedChange; readonly destination: string; readonly refused: Set<string> }[] = [];
    const left = { 4: this.#room(4), 6: this.#room(6) };
    let removed = false;
    let budget = this.#size;
    for (const { name, table, routeTo, refused } of this.#vrfs.values()) {
      for (const destination of table.dirty) {
        if (budget-- <= 0) break;
        table.dirty.delete(destination);
        refused.delete(destination);
        const key = `${name} ${destination}`;
        const [was, put] = [this.#owned("routes", key), routeTo(destination)];
        if (was === undefined && put !== undefined) {
          added.push({ change: { kind: "routes", key, put }, destination, refused });
        } else if (was !== undefined && put === undefined) {
          changes.push({ kind: "routes", key });
          left[familyOf(destination)]++;
          removed = true;
        } else if (put !== undefined && !sameValue(was, put)) changes.push({ kind: "routes", key, put });
      }
    }
    if (removed) this.retryRefused();
    for (const { change, destination, refused } of added) {
      if (left[familyOf(destination)]-- > 0) changes.push(change);
      else refused.add(destination);
    }
    return changes;
  }

  #owned<K extends "routes" | "nexthops">(kind: K, key: string): KindObjects[K] | undefined {
    return this.#state.candidates(kind, key).find(({ owner }) => owner === KERNEL_OWNER)?.object;
  }

  #wantedNexthops(): Map<string, Nexthop> {
    const wanted = new Map<string, Nexthop>();
    for (const vrf of this.#vrfs.values()) vrf.nexthops(wanted);
    return wanted;
  }
}

/** The next hops of the owner `kernel`. */
export function* derivedNexthops(state: DesiredState): Generator<Nexthop> {
  for (const [, candidates] of state.entries("nexthops")) {
    for (const { owner, object } of candidates) if (owner === KERNEL_OWNER) yield object;
  }
}

const familyOf = (destination: string): Family => (destination.includes(":") ? 6 : 4);
