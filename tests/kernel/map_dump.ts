// SPDX-License-Identifier: Apache-2.0
/** What kernel tables hold, to compare at two moments. */
import { type BpfMap, RingBuffer } from "../../sdk/libbpf/index.ts";

/** Sockets cannot be read from user space. */
const UNREADABLE: ReadonlySet<string> = new Set(["xskmap"]);

/** By the name of each map, all its entries, in an order that does not depend on when they were made. */
export function dumpMaps(maps: Iterable<BpfMap>): Map<string, Map<string, string>> {
  const dump = new Map<string, Map<string, string>>();
  for (const map of maps) {
    if (UNREADABLE.has(map.type)) continue;
    if (map.type === "ringbuf") {
      // Of records that nobody has taken only how much there is.
      using ring = new RingBuffer(map);
      dump.set(map.name, new Map([["used", String(ring.used)]]));
      continue;
    }
    const entries = new Map<string, string>();
    // Of arrays, which have all elements, only those that hold something.
    for (const { key, value } of map.entries()) {
      if (value.some((byte) => byte !== 0)) entries.set(key.toHex(), value.toHex());
    }
    dump.set(map.name, entries);
  }
  return dump;
}

/** One line for each entry that is not the same in both. */
export function dumpDifferences(
  before: ReadonlyMap<string, ReadonlyMap<string, string>>,
  after: ReadonlyMap<string, ReadonlyMap<string, string>>,
): string[] {
  const none = new Map<string, string>();
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const [old, now] = [before.get(name) ?? none, after.get(name) ?? none];
    return [...new Set([...old.keys(), ...now.keys()])]
      .filter((key) => old.get(key) !== now.get(key))
      .map((key) => `${name} ${key}: ${old.get(key) ?? "nothing"} -> ${now.get(key) ?? "nothing"}`);
  });
}
