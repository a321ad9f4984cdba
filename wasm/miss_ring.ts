// SPDX-License-Identifier: Apache-2.0
/**
 * First packets of flows that the kernel programs put into memory of ours while we are awake (bpf/miss_ring.h), in
 * place of the trap link. Both sides write first and look then: they at `awake` when a packet is complete, we at the
 * ring when we have said that we sleep.
 */

import { finish, pseudo, sum } from "./checksum";
import { count, get } from "./control";
import { dispatch } from "./dispatch";
import { freePacket, takePacket } from "./frames";
import {
  MISS_RECORD_LENGTH,
  MISS_RECORD_META,
  MISS_RECORD_SEQUENCE,
  MISS_RECORD_SIZE,
  MISS_RING_AWAKE,
  MISS_RING_CONSUMER,
  MISS_RING_PRODUCER,
  MISS_RING_SIZE,
  MISS_WITHDRAWN,
  TRAP_META_SIZE,
  WEIR_MISSES_PER_WORKER,
  WORKER_CONTROL_MISS_RING,
  WORKER_CONTROL_PACKETS,
} from "./layout";
import * as parsed from "./parse";
import { parseTrapped } from "./trap";

/** Of TCP and UDP, in their headers. */
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;
/** Of the addresses in either IP header, which lie in sequence. */
const ADDRESSES_4: usize = 12;
const ADDRESSES_6: usize = 8;

let ring: usize = 0;

/** What another process left there is nobody's any more: its flows are decided when their next packet comes. */
export function bindMisses(): void {
  ring = get(WORKER_CONTROL_MISS_RING);
  if (ring == 0) return;
  atomic.store<u32>(ring + MISS_RING_AWAKE, 0);
  atomic.store<u32>(ring + MISS_RING_CONSUMER, atomic.load<u32>(ring + MISS_RING_PRODUCER));
}

/** Lets the kernel programs use the ring: we look at it until `sleep`. */
export function awake(): void {
  if (ring != 0 && load<u32>(ring + MISS_RING_AWAKE) == 0) atomic.store<u32>(ring + MISS_RING_AWAKE, 1);
}

/** Tells the kernel programs that nobody looks at the ring. False: there is something in it, or about to be. */
export function sleep(): bool {
  if (ring == 0) return true;
  atomic.store<u32>(ring + MISS_RING_AWAKE, 0);
  return atomic.load<u32>(ring + MISS_RING_PRODUCER) == load<u32>(ring + MISS_RING_CONSUMER);
}

/** Handles the packets in the ring, at most `budget` of them. Returns how many. */
export function takeMisses(budget: u32): u32 {
  if (ring == 0) return 0;
  const first = load<u32>(ring + MISS_RING_CONSUMER);
  let next = first;
  let packets: u32 = 0;
  while (packets < budget) {
    const record = ring + MISS_RING_SIZE + (next & (WEIR_MISSES_PER_WORKER - 1)) * MISS_RECORD_SIZE;
    const sequence = atomic.load<u32>(record + MISS_RECORD_SEQUENCE);
    if (sequence == next + 1) {
      const packet = takePacket();
      // Without a frame it stays there.
      if (packet == 0) break;
      if (takeMiss(record, sequence, packet)) packets++;
      else freePacket(packet);
    } else if (sequence != ((next + 1) ^ MISS_WITHDRAWN)) break;
    next++;
  }
  if (next != first) atomic.store<u32>(ring + MISS_RING_CONSUMER, next);
  return packets;
}

/** False: the kernel program has just withdrawn it, because it found us asleep. */
function takeMiss(record: usize, sequence: u32, packet: usize): bool {
  // What is left there is no sequence that a packet in this place could have.
  if (atomic.cmpxchg<u32>(record + MISS_RECORD_SEQUENCE, sequence, sequence - 1) != sequence) return false;
  const length = load<u32>(record + MISS_RECORD_LENGTH);
  memory.copy(packet - TRAP_META_SIZE, record + MISS_RECORD_META, TRAP_META_SIZE + length);
  completeChecksum(packet, length);
  count(WORKER_CONTROL_PACKETS);
  dispatch(packet, length);
  return true;
}

/**
 * A pod's own stack leaves checksums to the device that sends the packet, and the field then holds the sum of the
 * pseudo header (skb->ip_summed CHECKSUM_PARTIAL). The trap link's device completes them; here it is for us.
 */
function completeChecksum(packet: usize, length: u32): void {
  if (!parseTrapped(packet, length) || parsed.l4 == 0) return;
  const isTcp = parsed.protocol == parsed.PROTOCOL_TCP;
  if (!isTcp && parsed.protocol != parsed.PROTOCOL_UDP) return;
  const field = parsed.l4 + (isTcp ? TCP_CHECKSUM : UDP_CHECKSUM);
  if (field + 2 > parsed.end) return;
  const bytes = <u32>(parsed.end - parsed.l4);
  const header =
    parsed.family == 4
      ? pseudo(parsed.l3 + ADDRESSES_4, 8, <u8>parsed.protocol, bytes)
      : pseudo(parsed.l3 + ADDRESSES_6, 32, <u8>parsed.protocol, bytes);
  if (load<u16>(field) != <u16>~finish(header)) return;
  const checksum = finish(sum(parsed.l4, bytes, 0));
  // Zero says that there is none (RFC 768); the other form of it is as good for TCP.
  store<u16>(field, checksum == 0 ? 0xffff : checksum);
}
