// SPDX-License-Identifier: Apache-2.0
/** Labels and VNIs of what leads to next hops: where that is a tunnel it needs one. */

import { invalid, type Nexthop } from "../schema/index.ts";
import type { DesiredState } from "../state/desired.ts";

/** What leads into a tunnel must say. */
type EncapField = "vni" | "label";

/** What `via` leads to; a bare interface is none of the next hops. */
export const nexthopOf = (state: DesiredState, name: string): Nexthop | undefined => state.get("nexthops", name);

/** The error about an object that has both. */
export const bothLabels = (pointer: string): Error =>
  invalid(pointer, 'has both "vni" and "label"', "keep the one that the tunnel's encap needs");

/** What must be said where something leads into the next hop; `undefined`: it does not encapsulate. */
export const neededBy = (nexthop: Nexthop): EncapField | undefined =>
  nexthop.type !== "tunnel" ? undefined : nexthop.encap === "vxlan" ? "vni" : "label";

/** Label or VNI of what leads directly to `target` (`undefined`: an interface). */
export function checkFits(
  target: Nexthop | undefined,
  given: { readonly vni?: number; readonly label?: number },
  pointer: string,
  { mayLack }: { readonly mayLack: boolean },
): void {
  const needed = target === undefined ? undefined : neededBy(target);
  for (const field of ["vni", "label"] as const) {
    if (given[field] === undefined || field === needed) continue;
    const what = needed === undefined ? "is not encapsulated" : `is a tunnel of encap ${target?.encap}`;
    throw invalid(`${pointer}/${field}`, `has no meaning where the next hop ${what}`, "leave it out");
  }
  if (needed !== undefined && given[needed] === undefined && !mayLack) {
    throw invalid(pointer, `lacks the field "${needed}"`, `next hop "${target?.name}" is a ${target?.encap} tunnel`);
  }
}

/** Something with `via` and, where that is a tunnel, a label or VNI. */
export type Leading = { readonly via: string; readonly vni?: number; readonly label?: number };

/** Checks that a route or a bridge entry gives the next hop the label or VNI that it needs. */
export function checkLeading(state: DesiredState, object: Leading, pointer: () => string): void {
  const { vni, label } = object;
  const target = nexthopOf(state, object.via);
  // The most common case, of a large transaction, first.
  if (target === undefined && vni === undefined && label === undefined) return;
  if (vni !== undefined && label !== undefined) throw bothLabels(pointer());
  if (target?.type !== "ecmp" && target?.type !== "flood") {
    checkFits(target, object, pointer(), { mayLack: false });
    return;
  }
  for (const member of target.members ?? []) {
    const tunnel = nexthopOf(state, member.nexthop);
    const needed = tunnel === undefined ? undefined : neededBy(tunnel);
    if (needed === undefined || member[needed] !== undefined || object[needed] !== undefined) continue;
    throw invalid(
      pointer(),
      `lacks the field "${needed}"`,
      `member "${member.nexthop}" of next hop "${target.name}" is a ${tunnel?.encap} tunnel without one of its own`,
    );
  }
}
