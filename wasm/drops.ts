// SPDX-License-Identifier: Apache-2.0
/** Counts, by interface and reason, the packets that end in the slow path. */

import { count, get } from "./control";
import { eventDrop } from "./message";
import { freePacket } from "./frames";
import {
  DROP_COUNTER_BYTES,
  DROP_COUNTER_PACKETS,
  DROP_COUNTER_SIZE,
  DROP_UNHANDLED_TRAP,
  WEIR_MAX_REASONS,
  WORKER_CONTROL_DROPS,
  WORKER_CONTROL_INTERFACE_COUNT,
  WORKER_CONTROL_UNHANDLED,
} from "./layout";
import { interfaceIdOf } from "./trap";

/** Counts a packet of `length` bytes. Interface 0 stands for "none of ours". */
export function countDrop(interfaceId: u32, reason: u32, length: u32): void {
  if (interfaceId >= get(WORKER_CONTROL_INTERFACE_COUNT)) interfaceId = 0;
  const counter = get(WORKER_CONTROL_DROPS) + (interfaceId * WEIR_MAX_REASONS + reason) * DROP_COUNTER_SIZE;
  store<u64>(counter + DROP_COUNTER_PACKETS, load<u64>(counter + DROP_COUNTER_PACKETS) + 1);
  store<u64>(counter + DROP_COUNTER_BYTES, load<u64>(counter + DROP_COUNTER_BYTES) + length);
}

/** Counts and samples a trapped packet, without giving its frame back. */
export function reportDrop(packet: usize, length: u32, reason: u32, rule: u32, direction: u32): void {
  countDrop(interfaceIdOf(packet), reason, length);
  if (reason == DROP_UNHANDLED_TRAP) count(WORKER_CONTROL_UNHANDLED);
  eventDrop(packet, length, reason, rule, direction);
}

/** Drops a trapped packet: counts it, samples it and gives its frame back. */
export function drop(packet: usize, length: u32, reason: u32): void {
  reportDrop(packet, length, reason, 0, 0);
  freePacket(packet);
}
