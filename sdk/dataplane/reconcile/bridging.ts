// SPDX-License-Identifier: Apache-2.0
/** VRFs' bridge domains, bridge entries, labels and VNIs. What is new comes before what is gone goes. */
import { parseMac } from "../../address.ts";
import { VRF_FLOOD_UNKNOWN, VRF_POLICY } from "../../layout/index.ts";
import type { BridgeEntry } from "../kernel/bridge_table.ts";
import { labelTag } from "../kernel/label_tag.ts";
import { type KindObjects, splitKey } from "../schema/index.ts";
import { type ObjectChange, sameValue } from "../state/desired.ts";
import { UNDERLAY_VRF } from "../state/references.ts";
import type { Run } from "./context.ts";

/** Writes VRFs that changed, or whose interfaces did. */
export function writeVrfs(
  run: Run,
  changes: readonly ObjectChange<"vrfs">[],
  interfaces: readonly ObjectChange<"interfaces">[],
): void {
  const names = new Set(changes.map(({ key }) => key));
  for (const { before, after } of interfaces) {
    for (const { object } of [...before, ...after]) if (object.vrf !== undefined) names.add(object.vrf);
  }
  const added = new Set(changes.filter(({ before }) => before.length === 0).map(({ key }) => key));
  const withPolicy = names.size === 0 ? names : vrfsWithPolicy(run);
  for (const name of names) {
    const object = run.state.get("vrfs", name);
    if (object === undefined) continue;
    const id = run.ids.take("vrf", name);
    if (added.has(name) && !run.resuming) run.tables.clearVrfCounters(id);
    const flood = object.unknownUnicast === "flood" ? VRF_FLOOD_UNKNOWN : 0;
    run.tables.setVrf(id, flood | (withPolicy.has(name) ? VRF_POLICY : 0), run.undo);
  }
}

/** VRFs in which flows are looked up before routes, since some interface's are decided. */
function vrfsWithPolicy(run: Run): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { vrf, policies } of run.state.objects("interfaces")) {
    if (vrf !== undefined && policies !== undefined) names.add(vrf);
  }
  return names;
}

/** Takes away, later, VRFs that are gone. */
export function removeVrfs(run: Run, changes: readonly ObjectChange<"vrfs">[]): void {
  for (const { key, after } of changes) {
    const id = run.ids.vrf.get(key);
    if (after.length > 0 || id === undefined) continue;
    run.ids.free("vrf", key);
    run.retire.push(() => run.tables.clearVrf(id, run.undo));
  }
}

/** Writes the state's bridge entries, and takes those away, later, that are gone. */
export function writeFdb(run: Run, changes: readonly ObjectChange<"fdb">[]): void {
  const entries: BridgeEntry[] = [];
  for (const change of changes) {
    const { key, after } = change;
    const [vrfName, text] = splitKey(key);
    const mac = parseMac(text);
    if (mac === undefined) continue;
    noteLedElsewhere(run, change);
    const vrf = run.ids.take("vrf", vrfName);
    const object = after[0]?.object;
    if (object === undefined) {
      run.retire.push(() => run.tables.bridge.clear("state", vrf, mac, run.undo));
      continue;
    }
    const target = { nexthop: run.ids.take("nexthop", object.via), tag: labelTag(object) };
    entries.push({ vrf, mac, target });
  }
  run.tables.bridge.setMany(entries, run.undo);
}

/** Writes VNIs, and takes those away, later, that are gone. */
export function writeVnis(run: Run, changes: readonly ObjectChange<"vnis">[]): void {
  for (const { key, after } of changes) {
    const object = after[0]?.object;
    if (object === undefined) run.retire.push(() => run.tables.clearVni(Number(key), run.undo));
    else run.tables.setVni(object.vni, run.ids.take("vrf", object.vrf), run.undo);
  }
}

/**
 * Writes labels, and takes those away, later, that are gone.
 * @param leading names of next hops and interfaces that changed: labels that lead there may have another VRF now.
 */
export function writeLabels(run: Run, changes: readonly ObjectChange<"labels">[], leading: ReadonlySet<string>): void {
  const written = new Set<number>();
  for (const change of changes) {
    const { key, after } = change;
    const object = after[0]?.object;
    noteLedElsewhere(run, change);
    if (object === undefined) run.retire.push(() => run.tables.clearLabel(Number(key), run.undo));
    else writeLabel(run, object);
    written.add(Number(key));
  }
  if (leading.size === 0) return;
  for (const object of run.state.objects("labels")) {
    if (leading.has(object.via) && !written.has(object.label)) writeLabel(run, object);
  }
}

/** Flows that went where a MAC or label led are to see whether it does. */
export function noteLedElsewhere(run: Run, { before, after }: ObjectChange<"fdb"> | ObjectChange<"labels">): void {
  const was = before[0]?.object;
  if (was !== undefined && !sameValue(was, after[0]?.object)) noteFlowsTo(run, was.via);
}

/** Notes the next hops that `via` leads flows to in the end, as far as no look-up in a VRF is between. */
function noteFlowsTo(run: Run, via: string): void {
  const id = run.ids.nexthop.get(via);
  if (id !== undefined) run.stale.nexthops.add(id);
  for (const { nexthop } of run.state.get("nexthops", via)?.members ?? []) noteFlowsTo(run, nexthop);
}

function writeLabel(run: Run, { label, via, payload }: KindObjects["labels"]): void {
  const vrf = run.ids.take("vrf", vrfBehind(run, via));
  run.tables.setLabel(label, run.ids.take("nexthop", via), vrf, payload === "ethernet", run.undo);
}

/** The VRF of what a next hop leads to. */
function vrfBehind(run: Run, name: string): string {
  const nexthop = run.state.get("nexthops", name);
  if (nexthop?.vrf !== undefined) return nexthop.vrf;
  const [first] = nexthop?.members ?? [];
  if (first !== undefined) return vrfBehind(run, first.nexthop);
  return run.state.get("interfaces", nexthop?.device ?? name)?.vrf ?? UNDERLAY_VRF;
}
