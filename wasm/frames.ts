// SPDX-License-Identifier: Apache-2.0
/** The UMEM's free frames: a stack of addresses. Any address inside a frame names the frame. */

import { count, get, set } from "./control";
import {
  WORKER_CONTROL_FRAME_COUNT,
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

/** Gives a frame back. */
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
