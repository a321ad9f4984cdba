// SPDX-License-Identifier: Apache-2.0
/** Which objects an object names. */
import type { Kind, KindObjects } from "./schema/index.ts";
import { RESERVED_NEXTHOPS } from "./schema/nexthop.ts";

/** VRF of the fabric interfaces; always there. */
export const UNDERLAY_VRF = "underlay";

/** What a name stands for. `via` is the name space that next hops and interfaces share. */
export type ReferenceTo = "vrf" | "interface" | "via" | "policy" | "set";

/** One name in an object. */
export interface Reference {
  readonly to: ReferenceTo;
  readonly name: string;
  /** Where it stands in the object, as a JSON pointer. */
  readonly path: string;
}

/** Key of a target in reference counts. */
export const targetOf = (to: ReferenceTo, name: string): string => `${to} ${name}`;

/** The references of an object. Reserved names (`discard`, `local`, VRF `underlay`) are none. */
export function referencesOf<K extends Kind>(kind: K, object: KindObjects[K]): Reference[] {
  switch (kind) {
    case "interfaces":
      return interfaceReferences(object as KindObjects["interfaces"]);
    case "nexthops":
      return nexthopReferences(object as KindObjects["nexthops"]);
    case "routes":
      return routeReferences(object as KindObjects["routes"]);
    case "policies":
      return policyReferences(object as KindObjects["policies"]);
    default:
      return [];
  }
}

function interfaceReferences(object: KindObjects["interfaces"]): Reference[] {
  const references: Reference[] = [];
  if (object.vrf !== undefined && object.vrf !== UNDERLAY_VRF) {
    references.push({ to: "vrf", name: object.vrf, path: "/vrf" });
  }
  for (const [i, name] of (object.policies ?? []).entries()) {
    references.push({ to: "policy", name, path: `/policies/${i}` });
  }
  return references;
}

function nexthopReferences(object: KindObjects["nexthops"]): Reference[] {
  return object.device === undefined ? [] : [{ to: "interface", name: object.device, path: "/device" }];
}

export const isReservedNexthop = (name: string): boolean => (RESERVED_NEXTHOPS as readonly string[]).includes(name);

function routeReferences(object: KindObjects["routes"]): Reference[] {
  const references: Reference[] = [];
  if (object.vrf !== UNDERLAY_VRF) references.push({ to: "vrf", name: object.vrf, path: "/vrf" });
  if (!isReservedNexthop(object.via)) references.push({ to: "via", name: object.via, path: "/via" });
  return references;
}

function policyReferences(object: KindObjects["policies"]): Reference[] {
  const references: Reference[] = [];
  for (const [i, rule] of (object.rules ?? []).entries()) {
    for (const side of ["from", "to"] as const) {
      for (const [j, peer] of (rule[side] ?? []).entries()) {
        if (typeof peer === "object") {
          references.push({ to: "set", name: peer.set, path: `/rules/${i}/${side}/${j}/set` });
        }
      }
    }
  }
  return references;
}
