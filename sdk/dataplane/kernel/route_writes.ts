// SPDX-License-Identifier: Apache-2.0
import { Numbers } from "../routes/numbers.ts";
import { PackedPrefixes } from "../routes/packed_prefixes.ts";
import type { LabelTag } from "./label_tag.ts";

/** Number of no next hop: there is no route. */
export const NO_ROUTE = 0;

/** What a route leads to. */
export interface RouteValue {
  /** Number of the next hop; NO_ROUTE: there is no route. */
  readonly nexthop: number;
  /** Label or VNI. */
  readonly tag: LabelTag;
}

/** What routes were in the kernel, and what they become. */
export class RouteWrites {
  /** With the numbers of the VRFs in the kernel. */
  readonly prefixes: PackedPrefixes;
  readonly #before = new Numbers();
  readonly #after = new Numbers();
  readonly #tagBefore = new Numbers();
  readonly #tagAfter = new Numbers();

  constructor(capacity: number) {
    this.prefixes = new PackedPrefixes(capacity);
  }

  get length(): number {
    return this.prefixes.length;
  }

  /** Adds one, of the prefix at `index` of a list. */
  push(from: PackedPrefixes, index: number, vrf: number, before: RouteValue, after: RouteValue): void {
    this.prefixes.push(from, index, vrf);
    this.#before.push(before.nexthop);
    this.#after.push(after.nexthop);
    this.#tagBefore.push(before.tag);
    this.#tagAfter.push(after.tag);
  }

  /** Next hop of one; NO_ROUTE: there is no such route. */
  nexthop(index: number, when: "before" | "after"): number {
    return (when === "before" ? this.#before : this.#after).at(index);
  }

  tag(index: number, when: "before" | "after"): LabelTag {
    return (when === "before" ? this.#tagBefore : this.#tagAfter).at(index);
  }
}
