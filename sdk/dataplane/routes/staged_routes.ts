// SPDX-License-Identifier: Apache-2.0

import { bothLabels } from "../check/check_labels.ts";
import { checkPrefix } from "../check/check_prefix.ts";
import { labelTag } from "../kernel/label_tag.ts";
import { checkObject, invalid, pointerOf, type Route, splitKey } from "../schema/index.ts";
import { defaultPreference } from "../state/candidate.ts";
import { Numbers } from "./numbers.ts";
import { PackedPrefixes } from "./packed_prefixes.ts";
import { type Rank, rankOf } from "./route_rows.ts";

/** Names in the order in which they first came. */
class StagedNames {
  readonly names: string[] = [];
  readonly #numbers = new Map<string, number>();

  number(name: string): number {
    let number = this.#numbers.get(name);
    if (number === undefined) {
      number = this.names.length;
      this.names.push(name);
      this.#numbers.set(name, number);
    }
    return number;
  }
}

/** Routes that a transaction puts, as numbers: the callers' objects are not kept. */
export class StagedRoutes {
  readonly prefixes = new PackedPrefixes();
  readonly vrfs = new StagedNames();
  readonly vias = new StagedNames();
  readonly #via = new Numbers();
  readonly #tag = new Numbers();
  readonly #rank = new Numbers();
  readonly #defaultPreference: number;
  readonly #durable: boolean;
  readonly #pointer = () => pointerOf("routes", this.#given);
  #given = 0;

  constructor(owner: string, durable: boolean) {
    this.#defaultPreference = defaultPreference(owner);
    this.#durable = durable;
  }

  get length(): number {
    return this.prefixes.length;
  }

  /** How many were given, refused ones too. */
  get given(): number {
    return this.#given;
  }

  /**
   * Takes a route over.
   * @throws WeirError `EINVALIDSTATE` when its form is wrong, with its position among all that were given.
   */
  put(object: unknown): void {
    try {
      checkObject("routes", object, this.#pointer);
      this.#put(object);
    } finally {
      this.#given++;
    }
  }

  #put(route: Route): void {
    const { prefixes } = this;
    if (route.vni !== undefined && route.label !== undefined) throw bothLabels(this.#pointer());
    if (!prefixes.pushText(this.vrfs.number(route.vrf), route.prefix)) {
      throw invalid(`${this.#pointer()}/prefix`, "is no prefix");
    }
    if (prefixes.clearHostBits(prefixes.length - 1)) {
      checkPrefix(route.prefix, `${this.#pointer()}/prefix`);
    }
    this.#via.push(this.vias.number(route.via));
    this.#tag.push(labelTag(route));
    const { preference } = route;
    this.#rank.push(rankOf(preference ?? this.#defaultPreference, preference !== undefined, this.#durable));
  }

  /** Number of the name that it leads to. */
  via(index: number): number {
    return this.#via.at(index);
  }

  tag(index: number): number {
    return this.#tag.at(index);
  }

  rank(index: number): Rank {
    return this.#rank.at(index);
  }
}

/** Keys of routes that a transaction deletes. */
export class StagedRouteKeys {
  readonly prefixes = new PackedPrefixes();
  readonly vrfs = new StagedNames();

  get length(): number {
    return this.prefixes.length;
  }

  /** @param key such as `red 10.97.0.0/16`, in its one spelling. */
  add(key: string): void {
    const [vrf, prefix] = splitKey(key);
    this.prefixes.pushText(this.vrfs.number(vrf), prefix);
  }

  key(index: number): string {
    return `${this.vrfs.names[this.prefixes.vrf(index)]} ${this.prefixes.text(index)}`;
  }
}
