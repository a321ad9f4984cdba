// SPDX-License-Identifier: Apache-2.0
/**
 * The four AF_XDP rings of a port (linux/if_xdp.h), one burst at a time. The kernel's index is read and
 * ours is published once per burst, atomically: those are the only two accesses that need an order.
 */

import { get } from "./control";
import { freeFrame, nextPiece, pieceLength, piecesOf, setOwner, setPiece, takeFrame, umem } from "./frames";
import {
  WORKER_CONTROL_FRAME_RESERVE,
  WORKER_CONTROL_FREE_COUNT,
  XSK_PORT_COMPLETION,
  XSK_PORT_FILL,
  XSK_PORT_FILL_TARGET,
  XSK_PORT_OUTSTANDING,
  XSK_PORT_TX,
  XSK_RING_CACHED_CONSUMER,
  XSK_RING_CACHED_PRODUCER,
  XSK_RING_CONSUMER,
  XSK_RING_DESCRIPTORS,
  XSK_RING_MASK,
  XSK_RING_PRODUCER,
} from "./layout";

/** struct xdp_desc: u64 addr, u32 len, u32 options. */
const DESCRIPTOR_SHIFT: u32 = 4;
const DESCRIPTOR_LENGTH: usize = 8;
const DESCRIPTOR_OPTIONS: usize = 12;
/** The packet goes on in the next descriptor. */
const PKT_CONTD: u32 = 1;

/** Entries that the kernel has put into a ring that we consume (receive, completion). */
export function available(ring: usize): u32 {
  const consumer = load<u32>(ring + XSK_RING_CACHED_CONSUMER);
  const producer = atomic.load<u32>(load<u32>(ring + XSK_RING_PRODUCER));
  store<u32>(ring + XSK_RING_CACHED_PRODUCER, producer);
  return producer - consumer;
}

/** Gives the first `n` entries back to the kernel. */
export function release(ring: usize, n: u32): void {
  const consumer = load<u32>(ring + XSK_RING_CACHED_CONSUMER) + n;
  store<u32>(ring + XSK_RING_CACHED_CONSUMER, consumer);
  atomic.store<u32>(load<u32>(ring + XSK_RING_CONSUMER), consumer);
}

/** True if a ring that we produce (transmit, fill) has `wanted` free entries. */
function hasRoom(ring: usize, wanted: u32): bool {
  const entries = load<u32>(ring + XSK_RING_MASK) + 1;
  const used = load<u32>(ring + XSK_RING_CACHED_PRODUCER) - load<u32>(ring + XSK_RING_CACHED_CONSUMER);
  if (used + wanted <= entries) return true;
  const consumer = atomic.load<u32>(load<u32>(ring + XSK_RING_CONSUMER));
  store<u32>(ring + XSK_RING_CACHED_CONSUMER, consumer);
  return load<u32>(ring + XSK_RING_CACHED_PRODUCER) - consumer + wanted <= entries;
}

/** Makes what was written up to the cached producer visible to the kernel. */
// @ts-ignore: decorator
@inline
function publish(ring: usize): void {
  atomic.store<u32>(load<u32>(ring + XSK_RING_PRODUCER), load<u32>(ring + XSK_RING_CACHED_PRODUCER));
}

/** Descriptor `i` of the burst in a receive ring. */
// @ts-ignore: decorator
@inline
export function received(ring: usize, i: u32): usize {
  const index = (load<u32>(ring + XSK_RING_CACHED_CONSUMER) + i) & load<u32>(ring + XSK_RING_MASK);
  return load<u32>(ring + XSK_RING_DESCRIPTORS) + (index << DESCRIPTOR_SHIFT);
}

/** Address of the first byte of the packet that a descriptor names. */
// @ts-ignore: decorator
@inline
export function packetOf(descriptor: usize): usize {
  return umem + <usize>load<u64>(descriptor);
}

// @ts-ignore: decorator
@inline
export function lengthOf(descriptor: usize): u32 {
  return load<u32>(descriptor + DESCRIPTOR_LENGTH);
}

/** Descriptors of the packet that begins at descriptor `i` of `n`; 0 if its end is not there yet. */
export function descriptorsOf(ring: usize, i: u32, n: u32): u32 {
  for (let last = i; last < n; last++) {
    if ((load<u32>(received(ring, last) + DESCRIPTOR_OPTIONS) & PKT_CONTD) == 0) return last - i + 1;
  }
  return 0;
}

/** Makes a chain of the frames of `n` descriptors from `i` on, none of which is a port's any more. Returns its length. */
export function joinReceived(ring: usize, i: u32, n: u32): u32 {
  let length: u32 = 0;
  let next: usize = 0;
  for (let k = n; k > 0; k--) {
    const descriptor = received(ring, i + k - 1);
    const piece = packetOf(descriptor);
    setOwner(piece, 0);
    if (n > 1) setPiece(piece, lengthOf(descriptor), next);
    length += lengthOf(descriptor);
    next = piece;
  }
  return length;
}

/** Takes transmitted frames back. */
export function reap(port: usize): void {
  if (load<u32>(port + XSK_PORT_OUTSTANDING) == 0) return;
  const ring = port + XSK_PORT_COMPLETION;
  const n = available(ring);
  if (n == 0) return;
  const first = load<u32>(ring + XSK_RING_CACHED_CONSUMER);
  const mask = load<u32>(ring + XSK_RING_MASK);
  const entries = load<u32>(ring + XSK_RING_DESCRIPTORS);
  for (let i: u32 = 0; i < n; i++) {
    freeFrame(umem + <usize>load<u64>(entries + (((first + i) & mask) << 3)));
  }
  release(ring, n);
  store<u32>(port + XSK_PORT_OUTSTANDING, load<u32>(port + XSK_PORT_OUTSTANDING) - n);
}

/** Keeps the fill ring at its target, but leaves the reserve for our own packets. `index` is the port's. */
export function refill(port: usize, index: u32): void {
  const ring = port + XSK_PORT_FILL;
  const consumer = atomic.load<u32>(load<u32>(ring + XSK_RING_CONSUMER));
  store<u32>(ring + XSK_RING_CACHED_CONSUMER, consumer);
  let producer = load<u32>(ring + XSK_RING_CACHED_PRODUCER);
  const filled = producer - consumer;
  const target = load<u32>(port + XSK_PORT_FILL_TARGET);
  if (filled >= target) return;
  const free = get(WORKER_CONTROL_FREE_COUNT);
  const reserve = get(WORKER_CONTROL_FRAME_RESERVE);
  if (free <= reserve) return;
  const n = min(target - filled, free - reserve);
  const mask = load<u32>(ring + XSK_RING_MASK);
  const entries = load<u32>(ring + XSK_RING_DESCRIPTORS);
  for (let i: u32 = 0; i < n; i++) {
    const frame = takeFrame();
    setOwner(frame, index + 1);
    store<u64>(entries + ((producer & mask) << 3), <u64>(frame - umem));
    producer++;
  }
  store<u32>(ring + XSK_RING_CACHED_PRODUCER, producer);
  publish(ring);
}

/**
 * Queues a packet of `length` bytes behind a header of `header` bytes at `address`; false if there is no room.
 * `submit` makes it visible. The kernel gives the frames back one by one: they are no chain any more.
 */
export function transmit(port: usize, address: usize, header: u32, length: u32): bool {
  const ring = port + XSK_PORT_TX;
  const pieces = piecesOf(address);
  // The completion ring is as large as the transmit ring: with more under way the kernel would stall.
  const capacity = load<u32>(port + XSK_PORT_COMPLETION + XSK_RING_MASK) + 1;
  if (load<u32>(port + XSK_PORT_OUTSTANDING) + pieces > capacity) reap(port);
  if (load<u32>(port + XSK_PORT_OUTSTANDING) + pieces > capacity || !hasRoom(ring, pieces)) return false;
  let producer = load<u32>(ring + XSK_RING_CACHED_PRODUCER);
  let next = nextPiece(address);
  put(ring, producer++, address, header + (next == 0 ? length : pieceLength(address)), next != 0);
  if (next != 0) setPiece(address, 0, 0);
  while (next != 0) {
    const piece = next;
    next = nextPiece(piece);
    put(ring, producer++, piece, pieceLength(piece), next != 0);
    setPiece(piece, 0, 0);
  }
  store<u32>(ring + XSK_RING_CACHED_PRODUCER, producer);
  store<u32>(port + XSK_PORT_OUTSTANDING, load<u32>(port + XSK_PORT_OUTSTANDING) + pieces);
  return true;
}

// @ts-ignore: decorator
@inline
function put(ring: usize, producer: u32, address: usize, length: u32, goesOn: bool): void {
  const index = producer & load<u32>(ring + XSK_RING_MASK);
  const descriptor = load<u32>(ring + XSK_RING_DESCRIPTORS) + (index << DESCRIPTOR_SHIFT);
  store<u64>(descriptor, <u64>(address - umem));
  store<u32>(descriptor + DESCRIPTOR_LENGTH, length);
  store<u32>(descriptor + DESCRIPTOR_OPTIONS, goesOn ? PKT_CONTD : 0);
}

/** Publishes the queued packets; true if the kernel has not taken all of them yet. */
export function submit(port: usize): bool {
  const ring = port + XSK_PORT_TX;
  const producer = load<u32>(ring + XSK_RING_CACHED_PRODUCER);
  publish(ring);
  return atomic.load<u32>(load<u32>(ring + XSK_RING_CONSUMER)) != producer;
}
