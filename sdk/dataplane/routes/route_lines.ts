// SPDX-License-Identifier: Apache-2.0
import type { Change } from "../state/change.ts";
import { PackedPrefixes } from "./packed_prefixes.ts";
import type { RouteChanges } from "./route_changes.ts";
import { NO_ROW } from "./route_rows.ts";
import type { RouteTable } from "./route_table.ts";

const ACTIONS = ["add", "update", "remove"] as const;

/**
 * What a transaction did to routes, kept for its lines. Without what interfaces bring by themselves: that follows from
 * the interface's own line.
 */
export class RouteLines {
  readonly #prefixes: PackedPrefixes;
  readonly #actions: Uint8Array;
  readonly #vrfs = new Map<number, string>();

  constructor(changes: RouteChanges) {
    const { table } = changes;
    this.#prefixes = new PackedPrefixes(changes.length);
    this.#actions = new Uint8Array(changes.length);
    for (let i = 0; i < changes.length; i++) {
      const action = actionOf(table, changes.before(i), changes.after(i));
      if (action < 0) continue;
      const vrf = table.prefixes.vrf(changes.entry(i));
      if (!this.#vrfs.has(vrf)) this.#vrfs.set(vrf, table.vrfs.name(vrf));
      this.#actions[this.#prefixes.length] = action;
      this.#prefixes.push(table.prefixes, changes.entry(i), vrf);
    }
  }

  /** What was done, and the key that it was done to. */
  *lines(): Generator<readonly [Change["action"], string]> {
    for (let i = 0; i < this.#prefixes.length; i++) {
      const key = `${this.#vrfs.get(this.#prefixes.vrf(i))} ${this.#prefixes.text(i)}`;
      yield [ACTIONS[this.#actions[i] ?? 0] ?? "update", key];
    }
  }
}

/** Position among ACTIONS; -1: nothing that somebody wrote has changed. */
function actionOf(table: RouteTable, before: number, after: number): number {
  let [was, is] = [writtenFrom(table, before), writtenFrom(table, after)];
  if (was === NO_ROW) return is === NO_ROW ? -1 : 0;
  if (is === NO_ROW) return 2;
  while (was !== NO_ROW && is !== NO_ROW && table.rows.isSame(was, is)) {
    was = writtenFrom(table, table.rows.next(was));
    is = writtenFrom(table, table.rows.next(is));
  }
  return was === is ? -1 : 1;
}

/** The first row of the chain from `row` on that somebody wrote. */
function writtenFrom(table: RouteTable, row: number): number {
  let written = row;
  while (written !== NO_ROW && !table.isWritten(written)) written = table.rows.next(written);
  return written;
}
