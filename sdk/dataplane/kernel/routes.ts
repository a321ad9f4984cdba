// SPDX-License-Identifier: Apache-2.0
/** The one writer of the route tables. Whole batches: 100 000 routes are a few dozen system calls. */
import type { Family, Prefix } from "../../address.ts";
import type { BpfMap } from "../../libbpf/index.ts";
import type { Undo } from "../undo.ts";
import type { LabelTag } from "./label_tag.ts";
import { ROUTE_SIZE, routeKeySize, writeRoute, writeRouteKey } from "./records.ts";

/** Entries of one system call: long enough to make its cost vanish, short enough for buffers in the cache. */
const BATCH = 4096;

/** What one route becomes. */
export interface RouteChange {
  /** VRF number. */
  readonly vrf: number;
  readonly prefix: Prefix;
  /** Next hop number before; `undefined`: there was no such route. */
  readonly before: number | undefined;
  /** Next hop number; `undefined`: the route goes. */
  readonly after: number | undefined;
  /** Label or VNI before. */
  readonly tagBefore: LabelTag;
  /** Label or VNI. */
  readonly tagAfter: LabelTag;
}

/** `routes4` and `routes6`. */
export class RouteTables {
  readonly #maps: Readonly<Record<Family, BpfMap>>;

  constructor(routes4: BpfMap, routes6: BpfMap) {
    this.#maps = { 4: routes4, 6: routes6 };
  }

  /** Adds and replaces those that have an `after`. */
  put(changes: readonly RouteChange[], undo: Undo): void {
    undo.push(() => {
      this.#delete(changes.filter(({ before, after }) => before === undefined && after !== undefined));
      this.#put(
        changes.filter(({ before, after }) => before !== undefined && after !== undefined),
        "before",
      );
    });
    this.#put(
      changes.filter(({ after }) => after !== undefined),
      "after",
    );
  }

  /** Removes those that have no `after`. */
  delete(changes: readonly RouteChange[], undo: Undo): void {
    const gone = changes.filter(({ before, after }) => before !== undefined && after === undefined);
    undo.push(() => this.#put(gone, "before"));
    this.#delete(gone);
  }

  #put(changes: readonly RouteChange[], which: "before" | "after"): void {
    for (const family of [4, 6] as const) {
      const own = changes.filter(({ prefix }) => prefix.family === family);
      const keySize = routeKeySize(family);
      const keys = buffer(Math.min(own.length, BATCH) * keySize);
      const values = buffer(Math.min(own.length, BATCH) * ROUTE_SIZE);
      for (let start = 0; start < own.length; start += BATCH) {
        const batch = own.slice(start, start + BATCH);
        for (const [i, change] of batch.entries()) {
          const { vrf, prefix, [which]: nexthop } = change;
          const tag = which === "before" ? change.tagBefore : change.tagAfter;
          writeRouteKey(keys.view, keys.bytes, i * keySize, vrf, prefix);
          writeRoute(values.view, i * ROUTE_SIZE, nexthop ?? 0, tag, prefix.length);
        }
        this.#maps[family].updateBatch(keys.bytes, values.bytes, batch.length);
      }
    }
  }

  /** Also used to take back a batch that failed half-way: a missing route is no error. */
  #delete(changes: readonly RouteChange[]): void {
    for (const family of [4, 6] as const) {
      const own = changes.filter(({ prefix }) => prefix.family === family);
      const keySize = routeKeySize(family);
      const keys = buffer(Math.min(own.length, BATCH) * keySize);
      for (let start = 0; start < own.length; start += BATCH) {
        const batch = own.slice(start, start + BATCH);
        for (const [i, { vrf, prefix }] of batch.entries()) {
          writeRouteKey(keys.view, keys.bytes, i * keySize, vrf, prefix);
        }
        this.#maps[family].deleteBatch(keys.bytes, batch.length);
      }
    }
  }

  /**
   * Removes every route that `wanted` does not know.
   * @param wanted answers for the hexadecimal text of a key, see `routeKeyText`.
   */
  retain(wanted: ReadonlySet<string>): void {
    for (const family of [4, 6] as const) {
      const map = this.#maps[family];
      const strays: Uint8Array[] = [];
      for (const { key } of map.entries()) if (!wanted.has(keyText(key))) strays.push(key.slice());
      for (const key of strays) map.delete(key);
    }
  }
}

/** Text of a route's kernel key, to compare with what a table holds. */
export function routeKeyText(vrf: number, prefix: Prefix): string {
  const key = buffer(routeKeySize(prefix.family));
  writeRouteKey(key.view, key.bytes, 0, vrf, prefix);
  return keyText(key.bytes);
}

function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}

function buffer(size: number): { bytes: Uint8Array<ArrayBuffer>; view: DataView<ArrayBuffer> } {
  const memory = new ArrayBuffer(size);
  return { bytes: new Uint8Array(memory), view: new DataView(memory) };
}
