// SPDX-License-Identifier: Apache-2.0
/** Which objects an object names. */
import type { Kind, KindObjects } from "../schema/index.ts";
import { RESERVED_NEXTHOPS } from "../schema/nexthop.ts";

/** VRF of the fabric interfaces; always there. */
export const UNDERLAY_VRF = "underlay";

/** What a name stands for. `via` is the name space that next hops and interfaces share. */
export type ReferenceTo = "vrf" | "interface" | "via" | "policy" | "set" | "mirror" | "qos";

export const referenceTargets: readonly ReferenceTo[] = ["vrf", "interface", "via", "policy", "set", "mirror", "qos"];

/** Takes one reference. Called for every route of a large transaction, so nothing is allocated for it. */
export type ReferenceVisitor = (to: ReferenceTo, name: string, path: string) => void;

/** Visits the references of an object. Reserved names (`discard`, `local`, VRF `underlay`) are none. */
export function visitReferences<K extends Kind>(kind: K, object: KindObjects[K], visit: ReferenceVisitor): void {
  switch (kind) {
    case "interfaces":
      visitInterface(object as KindObjects["interfaces"], visit);
      break;
    case "nexthops":
      visitNexthop(object as KindObjects["nexthops"], visit);
      break;
    case "routes":
      visitRoute(object as KindObjects["routes"], visit);
      break;
    case "fdb":
      visitRoute(object as KindObjects["fdb"], visit);
      break;
    case "labels":
      visitVia((object as KindObjects["labels"]).via, visit);
      break;
    case "vnis":
      visitVrf((object as KindObjects["vnis"]).vrf, visit);
      break;
    case "policies":
      visitPolicy(object as KindObjects["policies"], visit);
      break;
    case "mirrors":
      visitMirror(object as KindObjects["mirrors"], visit);
      break;
    default:
  }
}

function visitInterface(object: KindObjects["interfaces"], visit: ReferenceVisitor): void {
  if (object.vrf !== undefined) visitVrf(object.vrf, visit);
  if (object.parent !== undefined) visit("interface", object.parent, "/parent");
  if (object.mirror !== undefined) visit("mirror", object.mirror, "/mirror");
  if (object.qos !== undefined) visit("qos", object.qos, "/qos");
  for (const [i, name] of (object.policies ?? []).entries()) visit("policy", name, `/policies/${i}`);
}

function visitNexthop(object: KindObjects["nexthops"], visit: ReferenceVisitor): void {
  if (object.device !== undefined) visit("interface", object.device, "/device");
  if (object.vrf !== undefined) visitVrf(object.vrf, visit);
  for (const [i, { nexthop }] of (object.members ?? []).entries()) {
    if (!isReservedNexthop(nexthop)) visit("via", nexthop, `/members/${i}/nexthop`);
  }
}

export const isReservedNexthop = (name: string): boolean => (RESERVED_NEXTHOPS as readonly string[]).includes(name);

function visitRoute(object: KindObjects["routes"] | KindObjects["fdb"], visit: ReferenceVisitor): void {
  visitVrf(object.vrf, visit);
  visitVia(object.via, visit);
}

function visitVrf(name: string, visit: ReferenceVisitor): void {
  if (name !== UNDERLAY_VRF) visit("vrf", name, "/vrf");
}

function visitVia(name: string, visit: ReferenceVisitor): void {
  if (!isReservedNexthop(name)) visit("via", name, "/via");
}

function visitPolicy(object: KindObjects["policies"], visit: ReferenceVisitor): void {
  for (const [i, rule] of (object.rules ?? []).entries()) {
    if (rule.mirror !== undefined) visit("mirror", rule.mirror, `/rules/${i}/mirror`);
    for (const side of ["from", "to"] as const) {
      for (const [j, peer] of (rule[side] ?? []).entries()) {
        if (typeof peer === "object") visit("set", peer.set, `/rules/${i}/${side}/${j}/set`);
      }
    }
  }
}

function visitMirror({ source, via }: KindObjects["mirrors"], visit: ReferenceVisitor): void {
  if (source !== undefined) visit("interface", source.interface, "/source/interface");
  visitVia(via, visit);
}
