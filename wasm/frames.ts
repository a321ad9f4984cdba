// SPDX-License-Identifier: Apache-2.0
/**
 * The UMEM's free frames: a stack of addresses. Any address inside a frame names the frame. A packet that is longer
 * than a frame is a chain of them, and its first frame names the packet (struct frame_link).
 */

import { count, get, set } from "./control";
import {
  FRAME_LINK_LENGTH,
  FRAME_LINK_NEXT,
  FRAME_LINK_SIZE,
  WORKER_CONTROL_FRAME_COUNT,
  WORKER_CONTROL_FRAME_LINKS,
  WORKER_CONTROL_FRAME_OWNERS,
  WORKER_CONTROL_FRAME_SIZE,
  WORKER_CONTROL_FREE_COUNT,
  WORKER_CONTROL_FREE_FRAMES,
  WORKER_CONTROL_NO_FRAME,
  WORKER_CONTROL_UMEM,
} from "./layout";

/** First frame. Constant after `bindFrames`. */
export let umem: usize = 0;
let frameMask: usize = 0;
let frameShift: usize = 0;

/** Where a packet begins in a frame that we fill ourselves: as far in as the kernel puts received ones. */
const HEADROOM: usize = 256;

export function bindFrames(): void {
  umem = get(WORKER_CONTROL_UMEM);
  frameMask = get(WORKER_CONTROL_FRAME_SIZE) - 1;
  frameShift = ctz<u32>(get(WORKER_CONTROL_FRAME_SIZE));
}

/** Bytes between the start of the frame and `address`. */
// @ts-ignore: decorator
@inline
export function roomInFront(address: usize): usize {
  return (address - umem) & frameMask;
}

/** Bytes from `address` to the end of its frame. */
// @ts-ignore: decorator
@inline
export function roomBehind(address: usize): usize {
  return frameMask + 1 - roomInFront(address);
}

// @ts-ignore: decorator
@inline
function linkAt(address: usize): usize {
  return get(WORKER_CONTROL_FRAME_LINKS) + ((address - umem) >> frameShift) * FRAME_LINK_SIZE;
}

/** Where the packet goes on after the frame of `address`; 0: nowhere. Frames outside of a chain say 0. */
// @ts-ignore: decorator
@inline
export function nextPiece(address: usize): usize {
  return load<u32>(linkAt(address) + FRAME_LINK_NEXT);
}

/** Bytes of its packet in the frame of `address`, which is in a chain. */
// @ts-ignore: decorator
@inline
export function pieceLength(address: usize): u32 {
  return load<u32>(linkAt(address) + FRAME_LINK_LENGTH);
}

/** Bytes of the packet in its first frame, where all headers are. */
// @ts-ignore: decorator
@inline
export function headLength(packet: usize, length: u32): u32 {
  return nextPiece(packet) == 0 ? length : pieceLength(packet);
}

/** Makes the frame of `address`, with `length` bytes of its packet, go on at `next` (0: end). */
export function setPiece(address: usize, length: u32, next: usize): void {
  store<u32>(linkAt(address) + FRAME_LINK_LENGTH, length);
  store<u32>(linkAt(address) + FRAME_LINK_NEXT, <u32>next);
}

/** Frames of a packet. */
export function piecesOf(packet: usize): u32 {
  let pieces: u32 = 1;
  for (let at = nextPiece(packet); at != 0; at = nextPiece(at)) pieces++;
  return pieces;
}

/** Gives all frames of a packet back. */
export function freePacket(packet: usize): void {
  for (let at = packet; at != 0; ) {
    const next = nextPiece(at);
    if (next != 0) setPiece(at, 0, 0);
    freeFrame(at);
    at = next;
  }
}

/** Gives all frames of a packet back but the first. */
export function keepHead(packet: usize): void {
  const next = nextPiece(packet);
  if (next == 0) return;
  setPiece(packet, 0, 0);
  freePacket(next);
}

/** Gives one frame back. */
export function freeFrame(address: usize): void {
  const free = get(WORKER_CONTROL_FREE_COUNT);
  // More frames than there are would mean one was given back twice; never write past the stack.
  if (free >= get(WORKER_CONTROL_FRAME_COUNT)) return;
  store<u32>(get(WORKER_CONTROL_FREE_FRAMES) + (free << 2), address - roomInFront(address));
  set(WORKER_CONTROL_FREE_COUNT, free + 1);
}

/** The start of a free frame; 0 if there is none. */
export function takeFrame(): usize {
  const free = get(WORKER_CONTROL_FREE_COUNT);
  if (free == 0) {
    count(WORKER_CONTROL_NO_FRAME);
    return 0;
  }
  set(WORKER_CONTROL_FREE_COUNT, free - 1);
  return load<u32>(get(WORKER_CONTROL_FREE_FRAMES) + ((free - 1) << 2));
}

/** Where to write a new packet, with room for headers in front; 0 if there is no frame. */
export function takePacket(): usize {
  const frame = takeFrame();
  return frame == 0 ? 0 : frame + HEADROOM;
}

/** A new packet of `length` bytes, in as many frames as it takes; 0 if there are not enough. */
export function takeChain(length: u32): usize {
  const packet = takePacket();
  let last = packet;
  for (let left = length; last != 0 && left > <u32>roomBehind(last); ) {
    const room = <u32>roomBehind(last);
    const next = takePacket();
    if (next == 0) {
      freePacket(packet);
      return 0;
    }
    setPiece(last, room, next);
    left -= room;
    setPiece(next, left, 0);
    last = next;
  }
  return packet;
}

/** A copy of a packet, with the `front` bytes that stand in front of it; 0 if there are not enough frames. */
export function copyPacket(packet: usize, length: u32, front: u32): usize {
  const copy = takeChain(length);
  if (copy == 0) return 0;
  memory.copy(copy - front, packet - front, front);
  copyRange(packet, length, 0, copy, length, 0, length);
  return copy;
}

/** Copies `bytes` bytes of a packet, from byte `skip` on, into another one, from its byte `at` on. Both have them. */
export function copyRange(
  packet: usize,
  length: u32,
  skip: u32,
  to: usize,
  toLength: u32,
  at: u32,
  bytes: u32,
): void {
  let left = headLength(packet, length);
  for (; skip >= left && bytes != 0; left = pieceLength(packet)) {
    skip -= left;
    packet = nextPiece(packet);
  }
  let room = headLength(to, toLength);
  for (; at >= room && bytes != 0; room = pieceLength(to)) {
    at -= room;
    to = nextPiece(to);
  }
  while (bytes != 0) {
    if (skip == left) {
      packet = nextPiece(packet);
      left = pieceLength(packet);
      skip = 0;
    }
    if (at == room) {
      to = nextPiece(to);
      room = pieceLength(to);
      at = 0;
    }
    const size = min(bytes, min(left - skip, room - at));
    memory.copy(to + at, packet + skip, size);
    skip += size;
    at += size;
    bytes -= size;
  }
}

/** Notes which port has a frame to receive into, as index + 1; 0: none has. */
// @ts-ignore: decorator
@inline
export function setOwner(address: usize, owner: u32): void {
  store<u8>(get(WORKER_CONTROL_FRAME_OWNERS) + ((address - umem) >> frameShift), owner);
}

/** Takes back the frames that a port had when its socket was closed: nobody else knows of them. */
export function reclaim(owner: u32): void {
  const owners: usize = get(WORKER_CONTROL_FRAME_OWNERS);
  const frames = get(WORKER_CONTROL_FRAME_COUNT);
  for (let i: u32 = 0; i < frames; i++) {
    if (load<u8>(owners + i) != owner) continue;
    store<u8>(owners + i, 0);
    freeFrame(umem + (<usize>i << frameShift));
  }
}
