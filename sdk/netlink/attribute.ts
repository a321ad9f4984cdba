// SPDX-License-Identifier: Apache-2.0
/** Netlink attributes: type-length-value records aligned to four bytes (`struct nlattr`, `linux/netlink.h`). */

import { LITTLE_ENDIAN } from "./constants.ts";

/** Bytes together with a view of the same bytes. `NativeBuffer` is one. */
export interface ByteRegion {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Bytes of an attribute's header: u16 length (header included), u16 type. */
export const ATTRIBUTE_HEADER_SIZE = 4;

/** The two top bits of the type are `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`. */
const TYPE_MASK = 0x3fff;

const decoder = new TextDecoder();

/** Rounds up to netlink's alignment of four bytes. */
export function align(length: number): number {
  return (length + 3) & ~3;
}

/** A region over bytes that came from elsewhere, e.g. from a datagram callback. */
export function regionOf(bytes: Uint8Array): ByteRegion {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

/** Calls `visit` with type, payload start and payload end of each attribute in [start, end). Stops at a malformed one. */
export function forEachAttribute(
  region: ByteRegion,
  start: number,
  end: number,
  visit: (type: number, start: number, end: number) => void,
): void {
  let offset = start;
  while (offset + ATTRIBUTE_HEADER_SIZE <= end) {
    const length = region.view.getUint16(offset, LITTLE_ENDIAN);
    if (length < ATTRIBUTE_HEADER_SIZE || offset + length > end) return;
    const type = region.view.getUint16(offset + 2, LITTLE_ENDIAN) & TYPE_MASK;
    visit(type, offset + ATTRIBUTE_HEADER_SIZE, offset + length);
    offset += align(length);
  }
}

/** The NUL-terminated (or unterminated) string in [start, end). */
export function stringAt(bytes: Uint8Array, start: number, end: number): string {
  const nul = bytes.indexOf(0, start);
  return decoder.decode(bytes.subarray(start, nul >= 0 && nul < end ? nul : end));
}

/**
 * Where each attribute of a message lies. One table per message family is made once and filled again
 * for each message, so that a dump of many thousands of objects makes no garbage here.
 * What the getters return is valid until the next `read`; byte arrays are views into the message.
 */
export class AttributeTable {
  /** Payload start by type; 0 where the attribute is absent (no payload starts at 0). */
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;
  #region: ByteRegion = regionOf(new Uint8Array(0));

  /** @param maxType largest attribute type that is of interest; larger ones are skipped */
  constructor(maxType: number) {
    this.#starts = new Uint32Array(maxType + 1);
    this.#ends = new Uint32Array(maxType + 1);
  }

  /** Indexes the attributes in [start, end) of `region`. Of repeated attributes the last one counts. */
  read(region: ByteRegion, start: number, end: number): this {
    this.#region = region;
    this.#starts.fill(0);
    const { view } = region;
    let offset = start;
    while (offset + ATTRIBUTE_HEADER_SIZE <= end) {
      const length = view.getUint16(offset, LITTLE_ENDIAN);
      if (length < ATTRIBUTE_HEADER_SIZE || offset + length > end) break;
      const type = view.getUint16(offset + 2, LITTLE_ENDIAN) & TYPE_MASK;
      if (type < this.#starts.length) {
        this.#starts[type] = offset + ATTRIBUTE_HEADER_SIZE;
        this.#ends[type] = offset + length;
      }
      offset += align(length);
    }
    return this;
  }

  has(type: number): boolean {
    return this.start(type) !== 0;
  }

  /** Where the payload starts in the region; 0 if the attribute is absent. */
  start(type: number): number {
    return this.#starts[type] ?? 0;
  }

  /** Where the payload ends in the region. */
  end(type: number): number {
    return this.#ends[type] ?? 0;
  }

  u8(type: number): number | undefined {
    return this.#fits(type, 1) ? this.#region.view.getUint8(this.start(type)) : undefined;
  }

  u16(type: number): number | undefined {
    return this.#fits(type, 2) ? this.#region.view.getUint16(this.start(type), LITTLE_ENDIAN) : undefined;
  }

  u32(type: number): number | undefined {
    return this.#fits(type, 4) ? this.#region.view.getUint32(this.start(type), LITTLE_ENDIAN) : undefined;
  }

  i32(type: number): number | undefined {
    return this.#fits(type, 4) ? this.#region.view.getInt32(this.start(type), LITTLE_ENDIAN) : undefined;
  }

  string(type: number): string | undefined {
    return this.has(type) ? stringAt(this.#region.bytes, this.start(type), this.end(type)) : undefined;
  }

  bytes(type: number): Uint8Array | undefined {
    return this.has(type) ? this.#region.bytes.subarray(this.start(type), this.end(type)) : undefined;
  }

  /** Indexes the attributes nested in `type` into another table; `undefined` if the attribute is absent. */
  nested(type: number, into: AttributeTable): AttributeTable | undefined {
    return this.has(type) ? into.read(this.#region, this.start(type), this.end(type)) : undefined;
  }

  /** Visits the attributes nested in `type` in order; for lists in which a type repeats. */
  each(type: number, visit: (type: number, start: number, end: number) => void): void {
    if (this.has(type)) forEachAttribute(this.#region, this.start(type), this.end(type), visit);
  }

  #fits(type: number, size: number): boolean {
    const start = this.start(type);
    return start !== 0 && this.end(type) - start >= size;
  }
}
