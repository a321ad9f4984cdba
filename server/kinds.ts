// SPDX-License-Identifier: Apache-2.0
/**
 * The kinds of object of the state document, as the façade and the command name them (contract §1, §4).
 * A kind that later work brings is listed here with `available: false` and is refused by name until then.
 */

/** A kind of object. */
export interface Kind {
  /** Name of the list in the state document, in HTTP paths and in `weir get`: `vrfs`. */
  readonly plural: string;
  /** Name of one: `vrf`. */
  readonly singular: string;
  /** The fields that identify an object, in the order in which people write them. */
  readonly key: readonly string[];
  /** False for kinds that this version refuses. */
  readonly available: boolean;
}

const kind = (plural: string, singular: string, key: readonly string[] = ["name"], available = true): Kind => ({
  plural,
  singular,
  key,
  available,
});

const later = (plural: string, singular: string, key: readonly string[] = ["name"]): Kind =>
  kind(plural, singular, key, false);

/** Every kind of the contract, in the order of the state document. */
export const kinds: readonly Kind[] = [
  kind("vrfs", "vrf"),
  kind("interfaces", "interface"),
  kind("nexthops", "nexthop"),
  kind("routes", "route", ["vrf", "prefix"]),
  kind("fdb", "fdb", ["vrf", "mac"]),
  kind("labels", "label", ["label"]),
  kind("vnis", "vni", ["vni"]),
  kind("sets", "set"),
  kind("policies", "policy"),
  kind("mirrors", "mirror"),
  later("services", "service"),
  later("nat", "nat"),
  kind("qos", "qos"),
];

/** The kind with this plural or singular name. */
export function findKind(name: string): Kind | undefined {
  return kinds.find((kind) => kind.plural === name || kind.singular === name);
}

/** The key of `object` as people write it: `red 10.97.0.2/32`. */
export function keyOf(kind: Kind, object: Readonly<Record<string, unknown>>): string {
  return kind.key.map((field) => String(object[field])).join(" ");
}

/** The kind with this plural name, which must be one of {@link kinds}. */
export function kindOf(plural: string): Kind {
  const kind = kinds.find((one) => one.plural === plural);
  if (kind === undefined) throw new TypeError(`no kind is named ${plural}`);
  return kind;
}
