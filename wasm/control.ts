// SPDX-License-Identifier: Apache-2.0
/** The worker's control block (struct worker_control): where everything lies, and the counters. */

import {
  WORKER_CONTROL_CLOCK_NANOSECONDS,
  WORKER_CONTROL_CLOCK_SECONDS,
  WORKER_CONTROL_INTERFACE_COUNT,
  WORKER_CONTROL_INTERFACES,
  INTERFACE_SIZE,
  WORKER_CONTROL_NEXTHOP_COUNT,
  WORKER_CONTROL_NEXTHOPS,
  NEXTHOP_SIZE,
} from "./layout";

/** Address of the control block. */
export let control: usize = 0;

/** CLOCK_MONOTONIC in nanoseconds, as of the start of this poll. */
export let now: u64 = 0;

export function bindControl(address: u32): void {
  control = address;
}

/** Takes the time that the host wrote before the call. */
export function readClock(): void {
  const seconds = load<u64>(control + WORKER_CONTROL_CLOCK_SECONDS);
  now = seconds * 1_000_000_000 + load<u64>(control + WORKER_CONTROL_CLOCK_NANOSECONDS);
}

/** A 32-bit field of the control block. */
// @ts-ignore: decorator
@inline
export function get(field: usize): u32 {
  return load<u32>(control + field);
}

// @ts-ignore: decorator
@inline
export function set(field: usize, value: u32): void {
  store<u32>(control + field, value);
}

/** Adds one to a 64-bit counter of the control block. */
// @ts-ignore: decorator
@inline
export function count(field: usize): void {
  store<u64>(control + field, load<u64>(control + field) + 1);
}

/** Address of an interface's struct; 0 for an id that cannot be. */
export function interfaceOf(id: u32): usize {
  if (id == 0 || id >= get(WORKER_CONTROL_INTERFACE_COUNT)) return 0;
  return get(WORKER_CONTROL_INTERFACES) + id * INTERFACE_SIZE;
}

/** Address of a next hop's struct; 0 for an id that cannot be. */
export function nexthopOf(id: u32): usize {
  if (id == 0 || id >= get(WORKER_CONTROL_NEXTHOP_COUNT)) return 0;
  return get(WORKER_CONTROL_NEXTHOPS) + id * NEXTHOP_SIZE;
}
