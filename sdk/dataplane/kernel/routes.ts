// SPDX-License-Identifier: Apache-2.0
/** The one writer of the route tables. Whole batches: a million routes are some hundred system calls. */
import type { Family } from "../../address.ts";
import type { BpfMap } from "../../libbpf/index.ts";
import { PackedPrefixes } from "../routes/packed_prefixes.ts";
import type { PrefixIndex } from "../routes/prefix_index.ts";
import type { Undo } from "../state/undo.ts";
import { readPackedRouteKey, writePackedRouteKey } from "./packed_route_key.ts";
import { ROUTE_SIZE, routeKeySize, writeRoute } from "./records.ts";
import { NO_ROUTE, type RouteWrites } from "./route_writes.ts";

/** Entries of one system call: long enough to make its cost vanish, short enough for buffers in the cache. */
const BATCH = 4096;

const FAMILIES = [4, 6] as const;

/** `routes4` and `routes6`. */
export class RouteTables {
  readonly #maps: Readonly<Record<Family, BpfMap>>;

  constructor(routes4: BpfMap, routes6: BpfMap) {
    this.#maps = { 4: routes4, 6: routes6 };
  }

  /** Adds and replaces those that are to be. */
  put(writes: RouteWrites, undo: Undo): void {
    const [was, is] = [existed(writes), remains(writes)];
    undo.push(() => {
      this.#delete(writes, (i) => is(i) && !was(i));
      this.#put(writes, "before", (i) => is(i) && was(i));
    });
    this.#put(writes, "after", is);
  }

  /** Removes those that are to be no more. */
  delete(writes: RouteWrites, undo: Undo): void {
    const [was, is] = [existed(writes), remains(writes)];
    undo.push(() => this.#put(writes, "before", (i) => was(i) && !is(i)));
    this.#delete(writes, (i) => was(i) && !is(i));
  }

  #put(writes: RouteWrites, when: "before" | "after", which: Which): void {
    for (const family of FAMILIES) {
      const values = buffer(Math.min(writes.length, BATCH) * ROUTE_SIZE);
      const flush = (keys: Uint8Array<ArrayBuffer>, count: number) =>
        this.#maps[family].updateBatch(keys, values.bytes, count);
      inBatches(writes, family, which, flush, (i, slot) => {
        const length = writes.prefixes.prefixLength(i);
        writeRoute(values.view, slot * ROUTE_SIZE, writes.nexthop(i, when), writes.tag(i, when), length);
      });
    }
  }

  /** Also used to take back a batch that failed half-way: a missing route is no error. */
  #delete(writes: RouteWrites, which: Which): void {
    for (const family of FAMILIES) {
      inBatches(writes, family, which, (keys, count) => this.#maps[family].deleteBatch(keys, count));
    }
  }

  /** Removes every route that is not among those that are wanted. */
  retain(wanted: PrefixIndex): void {
    const prefix = new PackedPrefixes();
    for (const family of FAMILIES) {
      const map = this.#maps[family];
      const strays: Uint8Array[] = [];
      for (const { key } of map.entries()) {
        readPackedRouteKey(family, key, prefix, 0);
        if (wanted.find(prefix, 0, prefix.vrf(0)) < 0) strays.push(key.slice());
      }
      for (const key of strays) map.delete(key);
    }
  }
}

/** Chooses among writes by their position. */
type Which = (index: number) => boolean;

const existed = (writes: RouteWrites): Which => {
  return (index) => writes.nexthop(index, "before") !== NO_ROUTE;
};
const remains = (writes: RouteWrites): Which => {
  return (index) => writes.nexthop(index, "after") !== NO_ROUTE;
};

/**
 * Packs the keys of one family, batch by batch.
 * @param write is told the slot that each gets, for its value.
 */
function inBatches(
  { prefixes }: RouteWrites,
  family: Family,
  which: Which,
  flush: (keys: Uint8Array<ArrayBuffer>, count: number) => void,
  write: (index: number, slot: number) => void = () => {},
): void {
  const keySize = routeKeySize(family);
  const keys = buffer(Math.min(prefixes.length, BATCH) * keySize);
  let count = 0;
  for (let i = 0; i < prefixes.length; i++) {
    if (prefixes.family(i) !== family || !which(i)) continue;
    writePackedRouteKey(family, keys.view, count * keySize, prefixes, i);
    write(i, count);
    count++;
    if (count < BATCH) continue;
    flush(keys.bytes, count);
    count = 0;
  }
  if (count > 0) flush(keys.bytes, count);
}

function buffer(size: number): { bytes: Uint8Array<ArrayBuffer>; view: DataView<ArrayBuffer> } {
  const memory = new ArrayBuffer(size);
  return { bytes: new Uint8Array(memory), view: new DataView(memory) };
}
