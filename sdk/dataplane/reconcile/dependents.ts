// SPDX-License-Identifier: Apache-2.0
/** What has to be written anew because of what changed. */
import type { ObjectChange } from "../state/desired.ts";
import type { Run } from "./context.ts";
import { writeNexthop } from "./nexthops.ts";

/**
 * Changed interfaces, and the VLAN sub-interfaces that they carry, behind them; all when the node changes, for its
 * gateway MAC is in each.
 */
export function interfacesToWrite(run: Run, changes: readonly ObjectChange<"interfaces">[], all: boolean): Set<string> {
  const names = new Set(changes.filter(({ after }) => after.length > 0).map(({ key }) => key));
  if (all) for (const name of run.live.keys()) if (run.state.get("interfaces", name) !== undefined) names.add(name);
  const isSub = (name: string) => run.state.get("interfaces", name)?.parent !== undefined;
  return new Set([
    ...[...names].filter((name) => !isSub(name)),
    ...[...names].filter(isSub),
    ...subInterfacesOf(run, names),
  ]);
}

/** VLAN sub-interfaces of interfaces. */
export function subInterfacesOf(run: Run, parents: ReadonlySet<string>): string[] {
  const names: string[] = [];
  if (parents.size === 0) return names;
  for (const { name, parent } of run.state.objects("interfaces")) {
    if (parent !== undefined && parents.has(parent)) names.push(name);
  }
  return names;
}

/**
 * Changed next hops, and those that depend on what changed: on a device that they lead out of, on the node's
 * address, on the kind of a tunnel that they copy to.
 */
export function nexthopsToWrite(
  run: Run,
  changes: readonly ObjectChange<"nexthops">[],
  interfaces: ReadonlySet<string>,
  node: boolean,
): Set<string> {
  const names = new Set(changes.filter(({ after }) => after.length > 0).map(({ key }) => key));
  const changed = new Set(changes.filter(({ before }) => before.length > 0).map(({ key }) => key));
  if (interfaces.size === 0 && changed.size === 0 && !node) return names;
  const fabric = [...interfaces].some((name) => run.state.get("interfaces", name)?.role === "fabric");
  for (const { name, type, device, local, members } of run.state.objects("nexthops")) {
    const depends =
      (device !== undefined && interfaces.has(device)) ||
      (type === "tunnel" && (fabric || (node && local === undefined))) ||
      (type === "flood" && members?.some((member) => changed.has(member.nexthop)) === true);
    if (depends) names.add(name);
  }
  return names;
}

/** Those that lead out first, then those that choose among them or copy to them. */
export function writeNexthops(run: Run, names: ReadonlySet<string>): void {
  const objects = [...names].flatMap((name) => run.state.get("nexthops", name) ?? []);
  for (const object of objects) if (object.members === undefined) writeNexthop(run, object);
  for (const object of objects) if (object.members !== undefined) writeNexthop(run, object);
}
