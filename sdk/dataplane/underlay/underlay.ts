// SPDX-License-Identifier: Apache-2.0
/** The ways over the fabric, followed while the process runs. */

import { Netlink, type WatchEvent } from "../../netlink/index.ts";
import { canonical, KernelTables, underlayLink, underlayNeighbour } from "./kernel.ts";
import type { UnderlayPath, UnderlayTarget, UnderlayWait } from "./path.ts";
import { Resolver } from "./resolver.ts";

/**
 * Longest time for look-ups before other work gets its turn. Short, as events come one a turn, and those that
 * follow may matter more than the look-ups that the first ones caused.
 */
const SLICE_MS = 1;

/** Time between two questions for a neighbour that does not answer. */
const ASK_AGAIN_MS = 1000;

export interface UnderlayOptions {
  /** Namespace whose routes count, by name or path. Default: the calling thread's. */
  readonly netns?: string | undefined;
  /** Called on the event loop with a target whose paths are others than `track` or the last call told. */
  readonly onChange: (target: UnderlayTarget, paths: readonly UnderlayPath[]) => void;
  /** Room for the kernel's events while the event loop is busy, in bytes. Default 8 MiB. */
  readonly bufferBytes?: number | undefined;
}

/**
 * Keeps, for each remote address that is tracked, the paths that the kernel's routes and neighbours give:
 * link, MACs, source address, MTU; several for a multipath route, none while there is no route, no link with
 * carrier or no answer from the neighbour. Neighbours in use are asked for, and kept fresh by the kernel
 * (`NTF_EXT_MANAGED`), as packets that pass the kernel by do not confirm them.
 *
 * ```ts
 * using underlay = Underlay.open({ onChange: ({ remote }, paths) => program(remote, paths) });
 * program("192.0.2.2", underlay.track({ remote: "192.0.2.2" }));
 * ```
 *
 * A change of a route, rule, link, address or neighbour is told after the event-loop turn in which the kernel
 * tells of it, once for all changes of that turn.
 */
export class Underlay implements Disposable {
  readonly #netlink: Netlink;
  readonly #resolver: Resolver;
  readonly #onChange: UnderlayOptions["onChange"];
  readonly #watch: Disposable;
  #flushTimer: ReturnType<typeof setTimeout> | undefined;
  #askTimer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  private constructor(netlink: Netlink, o: UnderlayOptions) {
    this.#netlink = netlink;
    this.#resolver = new Resolver(new KernelTables(netlink));
    this.#onChange = o.onChange;
    this.#watch = netlink.watch(
      ["link", "address", "route", "rule", "nexthop", "neighbour"],
      (event) => this.#handle(event),
      { bufferBytes: o.bufferBytes },
    );
  }

  /** @throws WeirError `ENOENT` if there is no such namespace, `EPERM` */
  static open(o: UnderlayOptions): Underlay {
    const netlink = Netlink.open({ netns: o.netns });
    try {
      return new Underlay(netlink, o);
    } catch (error) {
      netlink.close();
      throw error;
    }
  }

  /**
   * Begins to follow a target and gives its paths of now, in the order of the kernel's route. A target that is
   * tracked several times must be untracked as many times.
   * @throws WeirError `EINVAL` if the remote is no address
   */
  track(target: UnderlayTarget): readonly UnderlayPath[] {
    const paths = this.#resolver.track(target);
    this.#awaitAnswers();
    return paths;
  }

  /** Ends what `track` began. Neighbours that nobody else needs are left to the kernel. */
  untrack(target: UnderlayTarget): void {
    this.#resolver.untrack(target);
  }

  /** The paths of a target as they were told last; none if it is not tracked. */
  paths(target: UnderlayTarget): readonly UnderlayPath[] {
    return this.#resolver.paths(target);
  }

  /** The neighbour whose answer a target without paths waits for; none where there is no way at all. */
  awaited(target: UnderlayTarget): UnderlayWait | undefined {
    return this.#resolver.awaited(target);
  }

  /** Ends following. The kernel keeps the neighbours fresh: what was programmed may go on being used. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#flushTimer);
    clearTimeout(this.#askTimer);
    this.#watch[Symbol.dispose]();
    this.#netlink.close();
  }

  #handle(event: WatchEvent): void {
    const resolver = this.#resolver;
    switch (event.kind) {
      case "link":
        resolver.linkChanged(event.link.index, event.change === "delete" ? undefined : underlayLink(event.link));
        break;
      case "address":
        if (event.change === "new") resolver.addressAdded(event.address.ifindex);
        else resolver.allRoutesChanged();
        break;
      case "route":
        resolver.routeChanged(event.route.destination);
        break;
      case "rule":
        resolver.allRoutesChanged();
        break;
      case "nexthop":
        resolver.nexthopChanged();
        break;
      case "neighbour": {
        const { ifindex } = event.neighbour;
        const address = canonical(event.neighbour.address);
        const known = event.change === "delete" ? undefined : underlayNeighbour(event.neighbour);
        resolver.neighbourChanged(ifindex, address, known);
        break;
      }
      case "resynchronise":
        resolver.resynchronise();
        break;
    }
    this.#schedule();
  }

  #schedule(): void {
    if (!this.#closed && this.#resolver.pending) this.#flushTimer ??= setTimeout(() => this.#flush(), 0);
  }

  #flush(): void {
    this.#flushTimer = undefined;
    const end = performance.now() + SLICE_MS;
    try {
      this.#resolver.flush(
        ({ target, paths }) => this.#onChange(target, paths),
        () => performance.now() < end && !this.#closed,
      );
    } finally {
      this.#schedule();
      this.#awaitAnswers();
    }
  }

  #awaitAnswers(): void {
    if (this.#closed || !this.#resolver.waiting) return;
    this.#askTimer ??= setTimeout(() => {
      this.#askTimer = undefined;
      this.#resolver.askAgain();
      this.#awaitAnswers();
    }, ASK_AGAIN_MS);
  }
}
