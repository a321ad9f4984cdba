// SPDX-License-Identifier: Apache-2.0
/** Names lead somewhere. */

import { invalid, type Kind, type KindObjects } from "../schema/index.ts";
import type { DesiredState } from "../state/desired.ts";
import { isReservedNexthop, type ReferenceTo, UNDERLAY_VRF, visitReferences } from "../state/references.ts";
import type { Locate } from "./check.ts";

const toKinds: Readonly<Record<ReferenceTo, { readonly kinds: readonly Kind[]; readonly what: string }>> = {
  vrf: { kinds: ["vrfs"], what: "is no VRF" },
  interface: { kinds: ["interfaces"], what: "is no interface" },
  via: { kinds: ["nexthops", "interfaces"], what: "is neither a next hop nor an interface" },
  policy: { kinds: ["policies"], what: "is no policy" },
  set: { kinds: ["sets"], what: "is no set" },
  mirror: { kinds: ["mirrors"], what: "is no mirror" },
  qos: { kinds: ["qos"], what: "is no QoS map" },
};

/** Whether a name stands for something: an object of the state, or what is always there. */
export function isNamed(state: DesiredState, to: ReferenceTo, name: string): boolean {
  if (to === "vrf" && name === UNDERLAY_VRF) return true;
  if (to === "via" && isReservedNexthop(name)) return true;
  return toKinds[to].kinds.some((kind) => state.get(kind, name) !== undefined);
}

/** @throws WeirError `EINVALIDSTATE` when one of an object's names leads nowhere. */
export function checkReferences<K extends Kind>(
  state: DesiredState,
  kind: K,
  object: KindObjects[K],
  key: string,
  locate: Locate,
): void {
  visitReferences(kind, object, (to, name, path) => {
    if (isNamed(state, to, name)) return;
    const problem = `names ${JSON.stringify(name)}, which ${toKinds[to].what}`;
    throw invalid(locate(kind, key) + path, problem, "put it into the state, or correct the name");
  });
}
