// SPDX-License-Identifier: Apache-2.0
/** The four rings of an AF_XDP socket, mapped into a WebAssembly memory. */

import { runtime } from "#runtime";
import { WeirError } from "../errors.ts";
import { errnoError } from "../runtime/errno.ts";
import {
  getsockopt,
  libc,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  mmap,
  PROT_READ,
  PROT_WRITE,
  pageSize,
} from "../runtime/libc.ts";
import type { Address, NativeBuffer } from "../runtime/types.ts";
import {
  ADDRESS_BYTES,
  DESCRIPTOR_BYTES,
  SOL_XDP,
  XDP_MMAP_OFFSETS,
  XDP_PGOFF_RX_RING,
  XDP_PGOFF_TX_RING,
  XDP_RX_RING,
  XDP_TX_RING,
  XDP_UMEM_COMPLETION_RING,
  XDP_UMEM_FILL_RING,
  XDP_UMEM_PGOFF_COMPLETION_RING,
  XDP_UMEM_PGOFF_FILL_RING,
} from "./constants.ts";

export type RingKind = "rx" | "tx" | "fill" | "completion";

/** Entries of each ring, a power of two; 0: the socket has no such ring (rx or tx only). */
export type RingEntries = Readonly<Record<RingKind, number>>;

/** Where each ring lies in the memory, in bytes, page aligned. */
export type RingOffsets = Readonly<Record<RingKind, number>>;

/** A mapped ring. All positions are byte offsets in the memory. */
export interface Ring {
  readonly entries: number;
  /** Offset of the producer index (u32). */
  readonly producer: number;
  /** Offset of the consumer index (u32). */
  readonly consumer: number;
  /** Offset of the flags (u32). */
  readonly flags: number;
  /** Offset of the first descriptor: `struct xdp_desc` (rx, tx) or u64 (fill, completion). */
  readonly descriptors: number;
  /** The mapped range. */
  readonly offset: number;
  readonly byteLength: number;
}

/** In the order of `struct xdp_mmap_offsets`. */
const KINDS: readonly {
  readonly kind: RingKind;
  readonly option: number;
  readonly pageOffset: number;
  readonly elementBytes: number;
}[] = [
  { kind: "rx", option: XDP_RX_RING, pageOffset: XDP_PGOFF_RX_RING, elementBytes: DESCRIPTOR_BYTES },
  { kind: "tx", option: XDP_TX_RING, pageOffset: XDP_PGOFF_TX_RING, elementBytes: DESCRIPTOR_BYTES },
  { kind: "fill", option: XDP_UMEM_FILL_RING, pageOffset: XDP_UMEM_PGOFF_FILL_RING, elementBytes: ADDRESS_BYTES },
  {
    kind: "completion",
    option: XDP_UMEM_COMPLETION_RING,
    pageOffset: XDP_UMEM_PGOFF_COMPLETION_RING,
    elementBytes: ADDRESS_BYTES,
  },
];

/** Room for the indexes in front of the descriptors: 320 bytes with cache lines of 64, 576 with those of 128. */
const INDEX_BYTES = 1024;

function roundToPage(bytes: number): number {
  return Math.ceil(bytes / pageSize) * pageSize;
}

/** Bytes to keep free in the memory for each ring. */
export function ringBytes(entries: RingEntries): RingOffsets {
  const bytes = { rx: 0, tx: 0, fill: 0, completion: 0 };
  for (const { kind, elementBytes } of KINDS) {
    if (entries[kind] > 0) bytes[kind] = roundToPage(INDEX_BYTES + entries[kind] * elementBytes);
  }
  return bytes;
}

/**
 * Makes the rings of a socket and maps them into the memory at `offsets`.
 * @param base native address of the memory's first byte
 * @param name of the socket, for messages
 */
export function mapRings(o: {
  readonly fd: number;
  readonly base: Address;
  readonly entries: RingEntries;
  readonly offsets: RingOffsets;
  readonly name: string;
}): Map<RingKind, Ring> {
  const present = KINDS.filter(({ kind }) => o.entries[kind] > 0);
  for (const { kind, option } of present) setEntries(o.fd, option, o.entries[kind], `${kind} ring of ${o.name}`);
  // Asked for after the rings are made and before bind: the only order that every kernel takes.
  const positions = runtime.alloc(128);
  getsockopt(o.fd, SOL_XDP, XDP_MMAP_OFFSETS, positions, "XDP_MMAP_OFFSETS");
  const rings = new Map<RingKind, Ring>();
  try {
    for (const { kind, pageOffset, elementBytes } of present) {
      const at = KINDS.findIndex((other) => other.kind === kind) * 32;
      const entries = o.entries[kind];
      const ring = placeRing(positions, at, o.offsets[kind], entries, elementBytes);
      if (ring.byteLength > ringBytes(o.entries)[kind]) {
        throw new WeirError({
          code: "EINVAL",
          operation: `map the ${kind} ring of ${o.name}`,
          reason: "this kernel's rings have larger indexes",
        });
      }
      const address = (o.base + ring.offset) as Address;
      const flags = MAP_SHARED | MAP_FIXED | MAP_POPULATE;
      mmap(ring.byteLength, PROT_READ | PROT_WRITE, flags, o.fd, pageOffset, address);
      rings.set(kind, ring);
    }
  } catch (error) {
    unmapRings(o.base, rings.values());
    throw error;
  }
  return rings;
}

function setEntries(fd: number, option: number, entries: number, name: string): void {
  const value = runtime.alloc(4);
  value.view.setUint32(0, entries, true);
  if (libc.setsockopt(fd, SOL_XDP, option, value.address, 4) === 0) return;
  throw errnoError(runtime.errno(), `make the ${name} with ${entries} entries`);
}

/** Reads one `struct xdp_ring_offset`: u64 producer, consumer, desc, flags. */
function placeRing(positions: NativeBuffer, at: number, offset: number, entries: number, elementBytes: number): Ring {
  const position = (index: number): number => Number(positions.view.getBigUint64(at + index * 8, true));
  return {
    entries,
    producer: offset + position(0),
    consumer: offset + position(1),
    descriptors: offset + position(2),
    flags: offset + position(3),
    offset,
    byteLength: roundToPage(position(2) + entries * elementBytes),
  };
}

/** Puts ordinary memory where the rings were: as long as they are mapped the kernel keeps the socket. */
export function unmapRings(base: Address, rings: Iterable<Ring>): void {
  for (const ring of rings) {
    const flags = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS;
    mmap(ring.byteLength, PROT_READ | PROT_WRITE, flags, -1, 0, (base + ring.offset) as Address);
  }
}
