// SPDX-License-Identifier: Apache-2.0
/** Which next hops follow which targets over the fabric. */
import type { UnderlayPath, UnderlayTarget, UnderlayWait } from "../underlay/index.ts";
import type { Run } from "./context.ts";

/** What knows the paths: `Underlay`. */
export interface PathSource {
  track(target: UnderlayTarget): readonly UnderlayPath[];
  untrack(target: UnderlayTarget): void;
  paths(target: UnderlayTarget): readonly UnderlayPath[];
  awaited(target: UnderlayTarget): UnderlayWait | undefined;
}

const textOf = ({ remote, source, ifindex }: UnderlayTarget): string => `${remote} ${source ?? ""} ${ifindex ?? ""}`;

/** The targets that next hops lead to. */
export class Followed {
  readonly #source: PathSource;
  readonly #targets = new Map<string, UnderlayTarget>();
  readonly #users = new Map<string, Set<string>>();

  constructor(source: PathSource) {
    this.#source = source;
  }

  /** Has a next hop follow `target`, and gives its paths of now. */
  follow(run: Run, nexthop: string, target: UnderlayTarget): readonly UnderlayPath[] {
    const before = this.#targets.get(nexthop);
    if (before !== undefined && textOf(before) === textOf(target)) return this.#source.paths(before);
    const paths = this.#source.track(target);
    this.#set(nexthop, target);
    run.undo.push(() => {
      this.#source.untrack(target);
      this.#set(nexthop, before);
    });
    if (before !== undefined) run.retire.push(() => this.#source.untrack(before));
    return paths;
  }

  /** The neighbour that a target without paths waits for. */
  awaited(target: UnderlayTarget): UnderlayWait | undefined {
    return this.#source.awaited(target);
  }

  /** The next hop follows nothing any more. */
  leave(run: Run, nexthop: string): void {
    const before = this.#targets.get(nexthop);
    if (before === undefined) return;
    this.#set(nexthop, undefined);
    run.undo.push(() => this.#set(nexthop, before));
    run.retire.push(() => this.#source.untrack(before));
  }

  /** Names of the next hops that lead to a target. */
  users(target: UnderlayTarget): ReadonlySet<string> {
    return this.#users.get(textOf(target)) ?? new Set();
  }

  #set(nexthop: string, target: UnderlayTarget | undefined): void {
    const before = this.#targets.get(nexthop);
    if (before !== undefined) {
      const users = this.#users.get(textOf(before));
      if (users?.delete(nexthop) === true && users.size === 0) this.#users.delete(textOf(before));
    }
    if (target === undefined) {
      this.#targets.delete(nexthop);
      return;
    }
    this.#targets.set(nexthop, target);
    const users = this.#users.get(textOf(target)) ?? new Set();
    this.#users.set(textOf(target), users.add(nexthop));
  }
}
