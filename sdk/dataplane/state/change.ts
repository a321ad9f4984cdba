// SPDX-License-Identifier: Apache-2.0
/** The difference that a transaction makes, as people and programs read it. */

import { RouteLines } from "../routes/route_lines.ts";
import type { Kind } from "../schema/index.ts";
import type { AnyChange, StateChanges } from "./desired.ts";

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

/** The line of a change. */
function changeOf(action: Change["action"], kind: Kind, key: string): Change {
  const name = singular[kind];
  return { action, kind: name, key, text: `${signs[action]} ${name}${key === "" ? "" : ` ${key}`}` };
}

/** The lines of a transaction. An object that only gains or loses a candidate behind the winner is an update. */
export function describeChanges(changes: StateChanges): Change[] {
  return linesOf(changes)();
}

/**
 * Makes the lines of a transaction when they are asked for, also after it is kept: those of a million routes are
 * often not.
 */
export function linesOf({ objects, routes, routesAt }: StateChanges): () => Change[] {
  const lines = objects.map(lineOf);
  const packed = new RouteLines(routes);
  let made: Change[] | undefined;
  return () => {
    if (made !== undefined) return made;
    made = lines.slice(0, routesAt);
    for (const [action, key] of packed.lines()) made.push(changeOf(action, "routes", key));
    for (const line of lines.slice(routesAt)) made.push(line);
    return made;
  };
}

function lineOf({ kind, key, before, after }: AnyChange): Change {
  const action = before.length === 0 ? "add" : after.length === 0 ? "remove" : "update";
  return changeOf(action, kind, kind === "node" ? "" : key);
}
