// SPDX-License-Identifier: Apache-2.0
/**
 * The four AF_XDP rings of a port (linux/if_xdp.h), one burst at a time. The kernel's index is read and
 * ours is published once per burst, atomically: those are the only two accesses that need an order.
 */

import { get } from "./control";
import { freeFrame, setOwner, takeFrame, umem } from "./frames";
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

/** Free entries of a ring that we produce (transmit, fill). */
function vacant(ring: usize): u32 {
  const entries = load<u32>(ring + XSK_RING_MASK) + 1;
  const used = load<u32>(ring + XSK_RING_CACHED_PRODUCER) - load<u32>(ring + XSK_RING_CACHED_CONSUMER);
  if (used < entries) return entries - used;
  const consumer = atomic.load<u32>(load<u32>(ring + XSK_RING_CONSUMER));
  store<u32>(ring + XSK_RING_CACHED_CONSUMER, consumer);
  return entries - (load<u32>(ring + XSK_RING_CACHED_PRODUCER) - consumer);
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

/** Queues a packet; false if the ring is full. `submit` makes it visible. */
export function transmit(port: usize, packet: usize, length: u32): bool {
  const ring = port + XSK_PORT_TX;
  // The completion ring is as large as the transmit ring: with more under way the kernel would stall.
  if (load<u32>(port + XSK_PORT_OUTSTANDING) > load<u32>(port + XSK_PORT_COMPLETION + XSK_RING_MASK)) reap(port);
  if (load<u32>(port + XSK_PORT_OUTSTANDING) > load<u32>(port + XSK_PORT_COMPLETION + XSK_RING_MASK)) return false;
  if (vacant(ring) == 0) return false;
  const producer = load<u32>(ring + XSK_RING_CACHED_PRODUCER);
  const index = producer & load<u32>(ring + XSK_RING_MASK);
  const descriptor = load<u32>(ring + XSK_RING_DESCRIPTORS) + (index << DESCRIPTOR_SHIFT);
  store<u64>(descriptor, <u64>(packet - umem));
  store<u64>(descriptor + DESCRIPTOR_LENGTH, <u64>length);
  store<u32>(ring + XSK_RING_CACHED_PRODUCER, producer + 1);
  store<u32>(port + XSK_PORT_OUTSTANDING, load<u32>(port + XSK_PORT_OUTSTANDING) + 1);
  return true;
}

/** Publishes the queued packets; true if the kernel has not taken all of them yet. */
export function submit(port: usize): bool {
  const ring = port + XSK_PORT_TX;
  const producer = load<u32>(ring + XSK_RING_CACHED_PRODUCER);
  publish(ring);
  return atomic.load<u32>(load<u32>(ring + XSK_RING_CONSUMER)) != producer;
}
