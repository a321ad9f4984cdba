// SPDX-License-Identifier: Apache-2.0
/** Netlink messages: writing requests into a caller-owned buffer, walking through answers (`struct nlmsghdr`). */

import { WeirError } from "../errors.ts";
import { ATTRIBUTE_HEADER_SIZE, align, type ByteRegion } from "./attribute.ts";
import { LITTLE_ENDIAN } from "./constants.ts";

/** Bytes of `struct nlmsghdr`: u32 length, u16 type, u16 flags, u32 sequence, u32 port. */
export const MESSAGE_HEADER_SIZE = 16;

const NLA_F_NESTED = 0x8000;

const encoder = new TextEncoder();

/** One received message. The object is a cursor that is used again for the next message. */
export interface NetlinkMessage extends ByteRegion {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Where the payload starts in `bytes`. */
  readonly start: number;
  readonly end: number;
}

/** Calls `visit` with each whole message in the first `length` bytes. `false` from `visit` ends the walk. */
export function forEachMessage(
  region: ByteRegion,
  length: number,
  visit: (message: NetlinkMessage) => boolean | undefined,
): void {
  const { bytes, view } = region;
  const cursor = { bytes, view, type: 0, flags: 0, sequence: 0, start: 0, end: 0 };
  let offset = 0;
  while (offset + MESSAGE_HEADER_SIZE <= length) {
    const size = view.getUint32(offset, LITTLE_ENDIAN);
    if (size < MESSAGE_HEADER_SIZE || offset + size > length) return;
    cursor.type = view.getUint16(offset + 4, LITTLE_ENDIAN);
    cursor.flags = view.getUint16(offset + 6, LITTLE_ENDIAN);
    cursor.sequence = view.getUint32(offset + 8, LITTLE_ENDIAN);
    cursor.start = offset + MESSAGE_HEADER_SIZE;
    cursor.end = offset + size;
    if (visit(cursor) === false) return;
    offset += align(size);
  }
}

/**
 * Writes one message at a time into a buffer that it does not own: `begin`, then the family's
 * header with `reserve`, then attributes, then `finish`.
 */
export class MessageWriter {
  readonly #region: ByteRegion;
  #length = 0;

  constructor(region: ByteRegion) {
    this.#region = region;
  }

  /** Starts a message, which replaces what was in the buffer. The kernel fills in the port. */
  begin(type: number, flags: number, sequence: number): void {
    this.#length = 0;
    const offset = this.reserve(MESSAGE_HEADER_SIZE);
    const { view } = this.#region;
    view.setUint16(offset + 4, type, LITTLE_ENDIAN);
    view.setUint16(offset + 6, flags, LITTLE_ENDIAN);
    view.setUint32(offset + 8, sequence, LITTLE_ENDIAN);
  }

  /** Writes the length into the header and returns it. */
  finish(): number {
    this.#region.view.setUint32(0, this.#length, LITTLE_ENDIAN);
    return this.#length;
  }

  /** The view to write reserved bytes through. */
  get view(): DataView {
    return this.#region.view;
  }

  /** Appends `size` zero bytes (padded to four) and returns where they start. */
  reserve(size: number): number {
    const start = this.#length;
    const end = start + align(size);
    if (end > this.#region.bytes.byteLength) {
      throw new WeirError({
        code: "EMSGSIZE",
        operation: "write a netlink message",
        reason: `it is longer than ${this.#region.bytes.byteLength} bytes`,
        hint: "split the request",
      });
    }
    this.#region.bytes.fill(0, start, end);
    this.#length = end;
    return start;
  }

  /** An attribute without payload (a flag). */
  flag(type: number): void {
    this.#attribute(type, 0);
  }

  u8(type: number, value: number): void {
    this.#region.view.setUint8(this.#attribute(type, 1), value);
  }

  u16(type: number, value: number): void {
    this.#region.view.setUint16(this.#attribute(type, 2), value, LITTLE_ENDIAN);
  }

  u32(type: number, value: number): void {
    this.#region.view.setUint32(this.#attribute(type, 4), value, LITTLE_ENDIAN);
  }

  bytes(type: number, value: Uint8Array): void {
    this.#region.bytes.set(value, this.#attribute(type, value.byteLength));
  }

  /** A NUL-terminated string. */
  string(type: number, value: string): void {
    const text = encoder.encode(value);
    this.#region.bytes.set(text, this.#attribute(type, text.byteLength + 1));
  }

  /** An attribute that holds what `fill` writes: a fixed header, attributes, or both. */
  nest(type: number, fill: () => void): void {
    const header = this.reserve(ATTRIBUTE_HEADER_SIZE);
    fill();
    const { view } = this.#region;
    view.setUint16(header, this.#length - header, LITTLE_ENDIAN);
    view.setUint16(header + 2, type | NLA_F_NESTED, LITTLE_ENDIAN);
  }

  /** Bytes written so far; for structs whose length field is written afterwards. */
  get length(): number {
    return this.#length;
  }

  #attribute(type: number, size: number): number {
    const header = this.reserve(ATTRIBUTE_HEADER_SIZE + size);
    const { view } = this.#region;
    view.setUint16(header, ATTRIBUTE_HEADER_SIZE + size, LITTLE_ENDIAN);
    view.setUint16(header + 2, type, LITTLE_ENDIAN);
    return header + ATTRIBUTE_HEADER_SIZE;
  }
}
