// SPDX-License-Identifier: Apache-2.0
/**
 * Field codecs for structs in caller-owned buffers. They hold an offset and allocate nothing
 * per call; `base` is the position of the struct's first byte in the view.
 *
 * Host byte order is little endian on every machine that Weir supports (x86-64, arm64).
 * Fields that C declares `__be16` or `__be32` hold network byte order; their codecs give
 * and take the number itself: port 80 is 80, 10.0.0.1 is 0x0a000001.
 */

/** A field of 8 to 32 bits. Values are unsigned; higher bits of a value that is set are cut off. */
export interface NumberField {
  readonly offset: number;
  get(view: DataView, base: number): number;
  set(view: DataView, base: number, value: number): void;
}

/** A field of 64 bits. */
export interface BigField {
  readonly offset: number;
  get(view: DataView, base: number): bigint;
  /** The value as a number: exact below 2^53, rounded above, without making a BigInt. */
  getNumber(view: DataView, base: number): number;
  set(view: DataView, base: number, value: bigint | number): void;
}

/** A field of bytes in the order in which they lie: MAC and IP addresses. */
export interface BytesField {
  readonly offset: number;
  readonly byteLength: number;
  /** The field itself, not a copy. */
  bytes(array: Uint8Array, base: number): Uint8Array;
  /** @param source exactly `byteLength` bytes; fewer leave the rest as it is. */
  set(array: Uint8Array, base: number, source: ArrayLike<number>): void;
}

/** An array of 32-bit numbers. */
export interface ArrayField {
  readonly offset: number;
  readonly length: number;
  get(view: DataView, base: number, index: number): number;
  set(view: DataView, base: number, index: number, value: number): void;
}

/** A struct inside a struct. */
export interface StructField {
  readonly offset: number;
  readonly size: number;
  /** The base of the inner struct, for its own codec. */
  at(base: number): number;
}

/** Structs of one kind, one behind the other, inside a struct. */
export interface StructArrayField {
  readonly offset: number;
  readonly size: number;
  readonly length: number;
  /** The base of an inner struct, for its own codec. */
  at(base: number, index: number): number;
}

export type Field = NumberField | BigField | BytesField | ArrayField | StructField | StructArrayField;

/** Size of a struct and offsets of its fields, in bytes. */
export interface Layout<Codec> {
  readonly size: number;
  readonly offsets: { readonly [Name in keyof Codec]: number };
}

/** The layout that belongs to a struct's codec. */
export function layout<Codec extends { readonly [name: string]: Field }>(size: number, codec: Codec): Layout<Codec> {
  const offsets = Object.fromEntries(Object.entries(codec).map(([name, field]) => [name, field.offset]));
  return { size, offsets: offsets as Layout<Codec>["offsets"] };
}

export function u8(offset: number): NumberField {
  return {
    offset,
    get: (view, base) => view.getUint8(base + offset),
    set: (view, base, value) => view.setUint8(base + offset, value),
  };
}

export function u16(offset: number): NumberField {
  return {
    offset,
    get: (view, base) => view.getUint16(base + offset, true),
    set: (view, base, value) => view.setUint16(base + offset, value, true),
  };
}

export function u32(offset: number): NumberField {
  return {
    offset,
    get: (view, base) => view.getUint32(base + offset, true),
    set: (view, base, value) => view.setUint32(base + offset, value, true),
  };
}

export function be16(offset: number): NumberField {
  return {
    offset,
    get: (view, base) => view.getUint16(base + offset),
    set: (view, base, value) => view.setUint16(base + offset, value),
  };
}

export function be32(offset: number): NumberField {
  return {
    offset,
    get: (view, base) => view.getUint32(base + offset),
    set: (view, base, value) => view.setUint32(base + offset, value),
  };
}

export function u64(offset: number): BigField {
  return {
    offset,
    get: (view, base) => view.getBigUint64(base + offset, true),
    getNumber: (view, base) =>
      view.getUint32(base + offset, true) + view.getUint32(base + offset + 4, true) * 0x1_0000_0000,
    set: (view, base, value) => view.setBigUint64(base + offset, BigInt(value), true),
  };
}

export function bytes(offset: number, byteLength: number): BytesField {
  return {
    offset,
    byteLength,
    bytes: (array, base) => array.subarray(base + offset, base + offset + byteLength),
    set: (array, base, source) => {
      if (source.length > byteLength) {
        throw new RangeError(`Cannot set a field of ${byteLength} bytes: ${source.length} bytes were given`);
      }
      array.set(source, base + offset);
    },
  };
}

/** Position of an element of an array in a struct. */
const elementAt =
  (offset: number, size: number, length: number) =>
  (base: number, index: number): number => {
    if (index < 0 || index >= length) throw new RangeError(`Cannot reach element ${index} of ${length}`);
    return base + offset + index * size;
  };

export function u32Array(offset: number, length: number): ArrayField {
  const at = elementAt(offset, 4, length);
  return {
    offset,
    length,
    get: (view, base, index) => view.getUint32(at(base, index), true),
    set: (view, base, index, value) => view.setUint32(at(base, index), value, true),
  };
}

export function struct(offset: number, size: number): StructField {
  return { offset, size, at: (base) => base + offset };
}

export function structArray(offset: number, size: number, length: number): StructArrayField {
  return { offset, size, length, at: elementAt(offset, size, length) };
}

/** Maps each name of an enum to its number: the reverse of the list of names. */
export function valuesOf<const Names extends readonly string[]>(names: Names): Readonly<Record<Names[number], number>> {
  return Object.fromEntries(names.map((name, value) => [name, value])) as Record<Names[number], number>;
}
