// SPDX-License-Identifier: Apache-2.0
/** Mirrors, and the interfaces that name them. A mirror is there before packets are copied for it, and goes after. */

import { labelTag } from "../kernel/label_tag.ts";
import type { InterfaceMirrors } from "../kernel/mirror_table.ts";
import type { ObjectChange } from "../state/desired.ts";
import type { Run } from "./context.ts";

/** Writes mirrors, and takes those away, later, that are gone. Their next hops have at least their numbers. */
export function writeMirrors(run: Run, changes: readonly ObjectChange<"mirrors">[]): void {
  for (const { key, before, after } of changes) {
    const object = after[0]?.object;
    if (object === undefined) {
      removeMirror(run, key);
      continue;
    }
    const id = run.ids.take("mirror", key);
    if (before.length === 0 && !run.resuming) run.tables.mirrors.clearCounters(id);
    const nexthop = run.ids.take("nexthop", object.via);
    run.tables.mirrors.set({ id, nexthop, tag: labelTag(object), truncate: object.truncateBytes ?? 0 }, run.undo);
  }
}

function removeMirror(run: Run, name: string): void {
  const id = run.ids.mirror.get(name);
  if (id === undefined) return;
  noteStaleMirror(run, name);
  run.ids.free("mirror", name);
  run.retire.push(() => run.tables.mirrors.clear(id, run.undo));
}

/** Flows that were told to be copied for a mirror that goes are decided again. */
export function noteStaleMirror(run: Run, name: string): void {
  const id = run.ids.mirror.get(name);
  if (id !== undefined) run.stale.mirrors.add(id);
}

/**
 * Has interfaces copy their packets for the mirrors that they have now.
 * @param written names of interfaces whose records were written.
 */
export function mirrorInterfaces(
  run: Run,
  written: ReadonlySet<string>,
  changes: readonly ObjectChange<"mirrors">[] = [],
): void {
  const names = new Set(written);
  for (const { before, after } of changes) {
    for (const [winner] of [before, after])
      if (winner?.object.source !== undefined) names.add(winner.object.source.interface);
  }
  if (names.size === 0) return;
  const sources = mirroredBySource(run);
  for (const name of names) {
    const live = run.live.get(name);
    if (live?.record === undefined) continue;
    const { mirror } = live.object;
    const both = mirror === undefined ? 0 : (run.ids.mirror.get(mirror) ?? 0);
    const own = sources.get(name);
    run.tables.mirrors.attach(live.id, { received: own?.received || both, sent: own?.sent || both }, run.undo);
  }
}

function mirroredBySource(run: Run): Map<string, InterfaceMirrors> {
  const sources = new Map<string, InterfaceMirrors>();
  for (const { name, source } of run.state.objects("mirrors")) {
    if (source === undefined) continue;
    const id = run.ids.mirror.get(name) ?? 0;
    const { received, sent } = sources.get(source.interface) ?? { received: 0, sent: 0 };
    sources.set(source.interface, {
      received: source.direction === "ingress" ? received : id,
      sent: source.direction === "egress" ? sent : id,
    });
  }
  return sources;
}
