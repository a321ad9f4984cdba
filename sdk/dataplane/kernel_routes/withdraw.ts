// SPDX-License-Identifier: Apache-2.0
/** What the kernel's routes lose by a change of the state: they hold up nobody who takes away what they lead over. */
import { type Family, parseAddress } from "../../address.ts";
import { type KernelRoutesConfig, NODE_KEY } from "../schema/index.ts";
import { KERNEL_OWNER } from "../state/candidate.ts";
import { type DesiredState, type ObjectChange, sameValue } from "../state/desired.ts";
import { derivedNexthops } from "./derived_routes.ts";
import type { MirroredVrf } from "./mirrored_vrf.ts";

/**
 * Takes out of a state in which something was changed what the owner `kernel` can no longer have: the routes of VRFs
 * that follow another table or none, and what leads over interfaces, or from an address, that are gone.
 */
export function withdrawDerived(state: DesiredState, vrfs: ReadonlyMap<string, MirroredVrf>): void {
  for (const { key, before, after } of state.changesOf("vrfs")) {
    const [was, is] = [before[0]?.object.kernelRoutes, after[0]?.object.kernelRoutes];
    if (was === undefined || (is !== undefined && sameTable(was, is))) continue;
    for (const destination of vrfs.get(key)?.table.destinations() ?? []) {
      state.delete("routes", `${key} ${destination}`, KERNEL_OWNER);
    }
  }
  const gone = new Set<string>();
  for (const change of state.changesOf("interfaces")) {
    if (!isOtherInterface(change)) continue;
    gone.add(change.key);
    for (const { name, device } of derivedNexthops(state)) if (device === change.key) gone.add(name);
  }
  if (state.changesOf("node").length > 0) {
    const family = underlayFamily(state);
    for (const { name, type, remote, local } of derivedNexthops(state)) {
      const isCut = type === "tunnel" && local === undefined && parseAddress(remote ?? "")?.family !== family;
      if (isCut) gone.add(name);
    }
  }
  if (gone.size > 0) withdrawNexthops(state, vrfs, gone);
}

/** An interface that was there is gone, or is of another role. */
function isOtherInterface({ before, after }: ObjectChange<"interfaces">): boolean {
  const [was, is] = [before[0]?.object, after[0]?.object];
  return was !== undefined && was.role !== is?.role;
}

function withdrawNexthops(state: DesiredState, vrfs: ReadonlyMap<string, MirroredVrf>, names: Set<string>): void {
  for (const { name, members } of derivedNexthops(state)) {
    if (members?.some(({ nexthop }) => names.has(nexthop)) === true) names.add(name);
  }
  for (const { name, table } of vrfs.values()) {
    for (const destination of table.destinations()) {
      const key = `${name} ${destination}`;
      const own = state.candidates("routes", key).find(({ owner }) => owner === KERNEL_OWNER);
      if (own === undefined || !names.has(own.object.via)) continue;
      state.delete("routes", key, KERNEL_OWNER);
      // It may come back by the same name, in another form.
      table.dirty.add(destination);
    }
  }
  for (const name of names) state.delete("nexthops", name, KERNEL_OWNER);
}

/** Family of `node.underlay`. */
export function underlayFamily(state: DesiredState): Family | undefined {
  const underlay = state.get("node", NODE_KEY)?.underlay;
  return underlay === undefined ? undefined : parseAddress(underlay)?.family;
}

function sameTable({ export: _, ...a }: KernelRoutesConfig, { export: __, ...b }: KernelRoutesConfig): boolean {
  return sameValue(a, b);
}
