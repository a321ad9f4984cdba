// SPDX-License-Identifier: Apache-2.0
/** Writes next hops in place, so that a packet that is under way never sees half of one and half of another. */
import { nexthopCodec, nexthopLayout } from "../../layout/index.ts";
import type { Undo } from "../state/undo.ts";
import { encodeNexthop, type MemberRange, type NexthopRecord } from "./nexthop_record.ts";
import { StructArray } from "./struct_array.ts";

const WORD = Uint32Array.BYTES_PER_ELEMENT;
const FIRST = nexthopLayout.offsets.membersFirst;
const COUNT = nexthopLayout.offsets.membersCount;
const NO_TYPE = 0;

/** `nexthops`. */
export class NexthopTable extends StructArray {
  readonly #words: Uint32Array;

  constructor(memory: ArrayBuffer, length: number) {
    super(memory, nexthopLayout.size, length);
    this.#words = new Uint32Array(memory);
  }

  /** Writes a next hop, if it is not so already. Its members, and what it leads to, must be there. */
  set(record: NexthopRecord, undo: Undo): void {
    const { id } = record;
    const element = encodeNexthop(record);
    // A path over the fabric is written with each of the tunnels along it.
    if (this.#holds(id, element)) return;
    const base = this.at(id);
    const before = this.bytes.slice(base, base + this.size);
    undo.push(() => this.#put(id, before));
    this.#put(id, element);
  }

  #holds(id: number, element: Uint8Array): boolean {
    const base = this.at(id);
    for (let i = 0; i < element.length; i++) if (this.bytes[base + i] !== element[i]) return false;
    return true;
  }

  /** Members of a next hop as the table has them; none for types without. */
  membersOf(id: number): MemberRange {
    const base = this.at(id);
    return {
      first: nexthopCodec.membersFirst.get(this.view, base),
      count: nexthopCodec.membersCount.get(this.view, base),
    };
  }

  #put(id: number, element: Uint8Array<ArrayBuffer>): void {
    const base = this.at(id);
    const type = element[nexthopLayout.offsets.type] ?? NO_TYPE;
    const known = this.bytes[base + nexthopLayout.offsets.type] ?? NO_TYPE;
    // Of another type every field means something else: for the moment of the change it is no next hop.
    if (known !== type) this.bytes[base + nexthopLayout.offsets.type] = NO_TYPE;
    const view = new DataView(element.buffer);
    this.#moveMembers(base, nexthopCodec.membersFirst.get(view, 0), nexthopCodec.membersCount.get(view, 0));
    this.bytes.set(element.subarray(1), base + 1);
    this.bytes[base + nexthopLayout.offsets.type] = type;
  }

  /** Goes over to other members: first to as many as both ranges have, so that no step reaches beyond either. */
  #moveMembers(base: number, first: number, count: number): void {
    const at = base / WORD;
    const before = this.#words[at + COUNT / WORD] ?? 0;
    Atomics.store(this.#words, at + COUNT / WORD, Math.min(before, count));
    Atomics.store(this.#words, at + FIRST / WORD, first);
    Atomics.store(this.#words, at + COUNT / WORD, count);
  }
}
