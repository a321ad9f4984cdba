// SPDX-License-Identifier: Apache-2.0
/**
 * Asked flows that were decided lately. On a busy machine a packet that the kernel handed out while its flow waited
 * can come when the flow is decided: it goes the way of the others, and the controller is not asked again.
 */

import { WEIR_HOLD_PACKETS } from "./layout";

/** Generations follow each other, so that this many flows of the whole node have to be new before one is forgotten. */
const SLOTS: u32 = 1024;

/** Of each slot: u32 generation, u32 how many packets can still come. */
const SLOT_SIZE: u32 = 8;
const slots: usize = memory.data(SLOTS * SLOT_SIZE, 8);

// @ts-ignore: decorator
@inline
function slotOf(generation: u32): usize {
  return slots + (generation & (SLOTS - 1)) * SLOT_SIZE;
}

/** Remembers a flow whose decision was written. The kernel lets WEIR_HOLD_PACKETS out, and `taken` have come. */
export function noteSettled(generation: u32, taken: u32): void {
  const slot = slotOf(generation);
  store<u32>(slot, generation);
  store<u32>(slot + 4, WEIR_HOLD_PACKETS - taken);
}

/** True if the packet comes late: what the kernel has now decides it. */
export function isLate(generation: u32): bool {
  const slot = slotOf(generation);
  if (load<u32>(slot) != generation) return false;
  const left = load<u32>(slot + 4);
  if (left == 0) return false;
  store<u32>(slot + 4, left - 1);
  return true;
}
