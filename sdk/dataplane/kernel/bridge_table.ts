// SPDX-License-Identifier: Apache-2.0
/** Bridge entries: what interfaces bring, what the state says, and what the kernel program has learned. */
import { formatMac } from "../../address.ts";
import { FDB_LEARNED, fdbEntryCodec, fdbEntryLayout, fdbKeyCodec } from "../../layout/index.ts";
import type { BpfMap } from "../../libbpf/index.ts";
import type { Undo } from "../state/undo.ts";
import { HashTable } from "./hash_table.ts";
import { type LabelTag, tagOf } from "./label_tag.ts";
import { encodeFdbEntry, encodeFdbKey } from "./overlay_records.ts";

/** Where an entry comes from; the first one that a MAC has is in the kernel. */
export type BridgeSource = "interface" | "state";

/** Where frames to a MAC go. */
export interface BridgeTarget {
  /** Number of the next hop. */
  readonly nexthop: number;
  readonly tag: LabelTag;
}

/** Where frames to a MAC of a VRF go. */
export interface BridgeEntry {
  /** VRF number. */
  readonly vrf: number;
  readonly mac: Uint8Array;
  readonly target: BridgeTarget;
}

/** Entries of one system call. */
const BATCH = 4096;

/** An entry that the kernel program made from a frame. */
export interface LearnedEntry extends BridgeTarget {
  /** VRF number. */
  readonly vrf: number;
  readonly mac: string;
  /** Last frame from the MAC, CLOCK_MONOTONIC. */
  readonly seenSeconds: number;
  readonly key: Uint8Array;
}

type Layers = Partial<Record<BridgeSource, BridgeTarget>>;

const winnerOf = (layers: Layers): BridgeTarget | undefined => layers.interface ?? layers.state;

/** `fdb`. */
export class BridgeTable {
  readonly #map: BpfMap;
  readonly #table: HashTable;
  readonly #layers = new Map<string, Layers>();

  constructor(map: BpfMap) {
    this.#map = map;
    this.#table = new HashTable(map);
  }

  /** Entries that are not learned. */
  get size(): number {
    return this.#layers.size;
  }

  /** Says where frames to a MAC go, as far as `source` is concerned. */
  set(source: "interface", vrf: number, mac: Uint8Array, target: BridgeTarget, undo: Undo): void {
    this.#change(vrf, mac, (layers) => ({ ...layers, [source]: target }), undo);
  }

  /**
   * `set` of many entries of the state, in a few system calls. Undone, an entry that was learned before is learned anew.
   */
  setMany(entries: readonly BridgeEntry[], undo: Undo): void {
    const writes: { key: Uint8Array; before: BridgeTarget | undefined; after: BridgeTarget }[] = [];
    for (const { vrf, mac, target } of entries) {
      const text = `${vrf} ${formatMac(mac)}`;
      const known = this.#layers.get(text);
      const layers = { ...known, state: target };
      this.#layers.set(text, layers);
      undo.push(() => this.#keep(text, known ?? {}));
      if (layers.interface === undefined) {
        writes.push({ key: encodeFdbKey(vrf, mac), before: winnerOf(known ?? {}), after: target });
      }
    }
    undo.push(() => {
      for (const { key, before } of writes) {
        if (before === undefined) this.#map.delete(key);
        else this.#map.update(key, encodeFdbEntry(before.nexthop, before.tag));
      }
    });
    for (let start = 0; start < writes.length; start += BATCH)
      this.#table.putBatch(
        writes.slice(start, start + BATCH).map(({ key, after }) => [key, encodeFdbEntry(after.nexthop, after.tag)]),
      );
  }

  /**
   * Takes back what `source` said.
   * @param nexthop only if it leads there: another interface may have the MAC by now.
   */
  clear(source: BridgeSource, vrf: number, mac: Uint8Array, undo: Undo, nexthop?: number): void {
    this.#change(
      vrf,
      mac,
      (layers) => {
        if (nexthop !== undefined && layers[source]?.nexthop !== nexthop) return layers;
        const { [source]: _gone, ...rest } = layers;
        return rest;
      },
      undo,
    );
  }

  #change(vrf: number, mac: Uint8Array, change: (layers: Layers) => Layers, undo: Undo): void {
    const text = `${vrf} ${formatMac(mac)}`;
    const before = this.#layers.get(text);
    const after = change(before ?? {});
    this.#keep(text, after);
    undo.push(() => this.#keep(text, before ?? {}));
    const was = winnerOf(before ?? {});
    const is = winnerOf(after);
    const key = encodeFdbKey(vrf, mac);
    if (is !== undefined) this.#table.put(key, encodeFdbEntry(is.nexthop, is.tag), undo);
    else if (was !== undefined) this.#table.delete(key, undo);
  }

  #keep(text: string, layers: Layers): void {
    if (Object.keys(layers).length === 0) this.#layers.delete(text);
    else this.#layers.set(text, layers);
  }

  /** What the kernel program has learned of a MAC. */
  learnedAt(vrf: number, mac: Uint8Array): LearnedEntry | undefined {
    const key = encodeFdbKey(vrf, mac);
    const value = new Uint8Array(fdbEntryLayout.size);
    return this.#map.lookup(key, value) ? learnedEntry(key, value) : undefined;
  }

  /** What the kernel program has learned. Reads the whole table. */
  *learned(): Generator<LearnedEntry> {
    for (const { key, value } of this.#map.entries()) {
      const entry = learnedEntry(key, value);
      if (entry !== undefined) yield entry;
    }
  }

  /** Forgets learned entries; they come back with the next frame. An entry of the state that took its place stays. */
  forget(entries: Iterable<LearnedEntry>): void {
    for (const { key, vrf, mac } of entries) if (!this.#layers.has(`${vrf} ${mac}`)) this.#map.delete(key);
  }

  /** Removes entries that nobody wants, of an earlier process. */
  removeStrays(undo: Undo): void {
    const learned = new Set([...this.learned()].map(({ vrf, mac }) => `${vrf} ${mac}`));
    for (const key of this.#table.keys()) {
      const text = `${vrfOf(key)} ${formatMac(fdbKeyCodec.mac.bytes(key, 0))}`;
      if (!this.#layers.has(text) && !learned.has(text)) this.#table.delete(key, undo);
    }
  }
}

function learnedEntry(key: Uint8Array, value: Uint8Array): LearnedEntry | undefined {
  const values = new DataView(value.buffer, value.byteOffset, fdbEntryLayout.size);
  const flags = fdbEntryCodec.flags.get(values, 0);
  if ((flags & FDB_LEARNED) === 0) return undefined;
  return {
    vrf: vrfOf(key),
    mac: formatMac(fdbKeyCodec.mac.bytes(key, 0)),
    nexthop: fdbEntryCodec.nexthop.get(values, 0),
    tag: tagOf(fdbEntryCodec.label.get(values, 0), flags),
    seenSeconds: fdbEntryCodec.seen.get(values, 0),
    key: key.slice(),
  };
}

const vrfOf = (key: Uint8Array): number =>
  fdbKeyCodec.vrf.get(new DataView(key.buffer, key.byteOffset, key.byteLength), 0);
