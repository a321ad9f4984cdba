// SPDX-License-Identifier: Apache-2.0
/** The difference that a transaction makes, as people and programs read it. */
import { type AnyChange, type Candidates, isWritten, sameValue } from "./desired.ts";
import type { Kind } from "./schema/index.ts";

/** One line of a difference. */
export interface Change {
  readonly action: "add" | "update" | "remove";
  /** Kind in the singular: `route`, `interface`. */
  readonly kind: string;
  /** Key as people write it: `red 10.97.0.2/32`, `h0`. */
  readonly key: string;
  /** The line itself: `+ route red 10.97.0.2/32`. */
  readonly text: string;
}

const signs = { add: "+", update: "~", remove: "-" } as const;

const singular: Readonly<Record<Kind, string>> = {
  node: "node",
  vrfs: "vrf",
  interfaces: "interface",
  nexthops: "nexthop",
  routes: "route",
  fdb: "fdb",
  labels: "label",
  vnis: "vni",
  sets: "set",
  policies: "policy",
  mirrors: "mirror",
  qos: "qos",
};

/** Without what interfaces bring by themselves: that follows from the interface's own line. */
function written(candidates: Candidates): Candidates {
  return candidates.every(isWritten) ? candidates : candidates.filter(isWritten);
}

/** The lines of a transaction. An object that only gains or loses a candidate behind the winner is an update. */
export function describeChanges(changes: readonly AnyChange[]): Change[] {
  const lines: Change[] = [];
  for (const change of changes) {
    const before = written(change.before);
    const after = written(change.after);
    if (before.length === 0 && after.length === 0) continue;
    const same =
      before.length === after.length &&
      before.every((c, i) => c.owner === after[i]?.owner && sameValue(c.object, after[i]?.object));
    if (same) continue;
    const action = before.length === 0 ? "add" : after.length === 0 ? "remove" : "update";
    const kind = singular[change.kind];
    const key = change.kind === "node" ? "" : change.key;
    lines.push({ action, kind, key, text: `${signs[action]} ${kind}${key === "" ? "" : ` ${key}`}` });
  }
  return lines;
}
