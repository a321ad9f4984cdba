// SPDX-License-Identifier: Apache-2.0
/**
 * Routes in the store: blocks of so many entries of the table, one behind the other. A block tells all that it needs,
 * names too, so that a changed route costs its block, and a million some thousand rows.
 *
 * A block is a byte of VERSION, 16 bits of how many names there are, the names (a byte of length, and Latin-1), and
 * rows to the end: bytes of slot, bits, flags and preference; 16 bits each of VRF, owner and via, as positions among the
 * names; 32 bits of label or VNI; 4 or 16 bytes of address. Numbers are little-endian, addresses are not.
 */
import { WeirError } from "../../errors.ts";
import type { Store, StoreWriter } from "../../store/index.ts";
import type { NameTable } from "./name_table.ts";
import { Numbers } from "./numbers.ts";
import { PackedPrefixes } from "./packed_prefixes.ts";
import type { RouteChanges } from "./route_changes.ts";
import { NO_ROW, rankOf } from "./route_rows.ts";
import type { RouteTable } from "./route_table.ts";

const VERSION = 1;

/** Entries of a block: few enough to write them all for one, many enough to be no load on the store. */
const ENTRIES = 64;
const SHIFT = 6;

const HEADER = 3;
/** Bytes of a row without its address. */
const ROW = 14;
const LONGEST_NAME = 255;

const IS_IPV4 = 1;
const IS_STATED = 2;

/** Writes the blocks in which routes changed that are, or were, to be in the store. */
export function writeRouteBlocks(writer: StoreWriter, changes: RouteChanges): void {
  const { table } = changes;
  const numbers = new Set<number>();
  for (let i = 0; i < changes.length; i++) {
    const { rows } = table;
    if (rows.hasDurable(changes.before(i)) || rows.hasDurable(changes.after(i))) numbers.add(changes.entry(i) >> SHIFT);
  }
  if (numbers.size === 0) return;
  const encoder = new BlockEncoder(table);
  for (const number of numbers) {
    const bytes = encoder.encode(number);
    if (bytes === undefined) writer.deleteRouteBlock(number);
    else writer.putRouteBlock({ number, bytes });
  }
}

/** The names of one kind in the block at hand. */
class BlockNames {
  readonly #names: NameTable;
  /** Of each name: the block that it was last met in, and its position there. */
  readonly #block = new Numbers();
  readonly #position = new Numbers();

  constructor(names: NameTable) {
    this.#names = names;
  }

  /** Position of a name in the block; `add` is told one that is new there, and returns its position. */
  position(name: number, block: number, add: (text: string) => number): number {
    if (this.#block.at(name) === block) return this.#position.at(name);
    const position = add(this.#names.name(name));
    this.#block.put(name, block);
    this.#position.put(name, position);
    return position;
  }
}

class BlockEncoder {
  readonly #table: RouteTable;
  readonly #names: readonly [vrfs: BlockNames, owners: BlockNames, vias: BlockNames];
  /** Counts up: 0 is no block. */
  #block = 0;
  #nameCount = 0;
  #nameBytes = new Uint8Array(ENTRIES * LONGEST_NAME);
  #nameEnd = 0;
  #rowBytes = new Uint8Array(ENTRIES * (ROW + 16));
  readonly #add = (name: string) => this.#addName(name);

  constructor(table: RouteTable) {
    this.#table = table;
    this.#names = [new BlockNames(table.vrfs), new BlockNames(table.owners), new BlockNames(table.vias)];
  }

  /** The block's bytes, in memory of their own; `undefined`: it has no routes. */
  encode(number: number): Uint8Array | undefined {
    const { rows } = this.#table;
    this.#block++;
    this.#nameCount = 0;
    this.#nameEnd = 0;
    let end = 0;
    const first = number << SHIFT;
    for (let entry = first; entry < Math.min(first + ENTRIES, this.#table.entryLimit); entry++) {
      for (let row = this.#table.head(entry); row > NO_ROW; row = rows.next(row)) {
        if (rows.isDurable(row)) end = this.#writeRow(end, entry, row);
      }
    }
    if (end === 0) return undefined;
    const bytes = new Uint8Array(HEADER + this.#nameEnd + end);
    bytes[0] = VERSION;
    bytes[1] = this.#nameCount & 255;
    bytes[2] = this.#nameCount >> 8;
    bytes.set(this.#nameBytes.subarray(0, this.#nameEnd), HEADER);
    bytes.set(this.#rowBytes.subarray(0, end), HEADER + this.#nameEnd);
    return bytes;
  }

  /** @returns where the next row begins. */
  #writeRow(base: number, entry: number, row: number): number {
    const { rows, prefixes } = this.#table;
    if (base + ROW + 16 > this.#rowBytes.length) this.#rowBytes = doubled(this.#rowBytes);
    const view = new DataView(this.#rowBytes.buffer);
    const isIpv4 = prefixes.family(entry) === 4;
    const [vrfs, owners, vias] = this.#names;
    view.setUint8(base, entry & (ENTRIES - 1));
    view.setUint8(base + 1, prefixes.bits(entry));
    view.setUint8(base + 2, (isIpv4 ? IS_IPV4 : 0) | (rows.isPreferenceStated(row) ? IS_STATED : 0));
    view.setUint8(base + 3, rows.preference(row));
    view.setUint16(base + 4, vrfs.position(prefixes.vrf(entry), this.#block, this.#add), true);
    view.setUint16(base + 6, owners.position(rows.owner(row), this.#block, this.#add), true);
    view.setUint16(base + 8, vias.position(rows.via(row), this.#block, this.#add), true);
    view.setUint32(base + 10, rows.tag(row), true);
    if (isIpv4) view.setUint32(base + ROW, prefixes.word(entry, 3));
    else prefixes.writeAddress(entry, view, base + ROW);
    return base + ROW + (isIpv4 ? 4 : 16);
  }

  #addName(name: string): number {
    if (this.#nameEnd + 1 + LONGEST_NAME > this.#nameBytes.length) this.#nameBytes = doubled(this.#nameBytes);
    const bytes = this.#nameBytes;
    let at = this.#nameEnd;
    bytes[at++] = name.length;
    for (let i = 0; i < name.length; i++) bytes[at++] = name.charCodeAt(i);
    this.#nameEnd = at;
    return this.#nameCount++;
  }
}

function doubled(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(2 * bytes.length);
  larger.set(bytes);
  return larger;
}

/**
 * Brings what the store has into an empty table, each route into the entry that it had: blocks keep their meaning.
 * @param operation for the error.
 * @throws WeirError `ESTORE` for a block of another version.
 */
export function restoreRoutes(table: RouteTable, store: Store, operation: string): void {
  const prefixes = new PackedPrefixes(1);
  prefixes.pushEmpty();
  for (const { number, bytes } of store.routeBlocks()) {
    if (bytes[0] !== VERSION) {
      throw new WeirError({
        code: "ESTORE",
        operation,
        reason: `it has routes of version ${bytes[0]}`,
        hint: "use the version that wrote it",
      });
    }
    restoreBlock(table, number << SHIFT, bytes, prefixes);
  }
  table.endRestore();
}

function restoreBlock(table: RouteTable, first: number, bytes: Uint8Array, prefixes: PackedPrefixes): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const names: string[] = [];
  let at = HEADER;
  for (let left = view.getUint16(1, true); left > 0; left--) {
    const end = at + 1 + view.getUint8(at);
    names.push(String.fromCharCode(...bytes.subarray(at + 1, end)));
    at = end;
  }
  const name = (offset: number) => names[view.getUint16(at + offset, true)] ?? "";
  while (at < bytes.length) {
    const flags = view.getUint8(at + 2);
    const isIpv4 = (flags & IS_IPV4) !== 0;
    prefixes.setWords(0, view, at + ROW, isIpv4 ? 4 : 6, view.getUint8(at + 1));
    table.restore(first + view.getUint8(at), prefixes, table.vrfs.take(name(4)), {
      owner: table.owners.take(name(6)),
      via: table.vias.take(name(8)),
      tag: view.getUint32(at + 10, true) | 0,
      rank: rankOf(view.getUint8(at + 3), (flags & IS_STATED) !== 0, true),
    });
    at += ROW + (isIpv4 ? 4 : 16);
  }
}
