/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * First packets of flows, for a worker that is awake. The trap link costs a packet a second device, a
 * second NAPI poll and two copies; where flows are set up fast that is as much as all the rest.
 *
 * Only the packet that makes a hold entry takes this way. Those that follow it in its flow take the
 * trap link, and the worker looks here before it handles what came there: they stay in order.
 * Nobody is woken from here: before the worker sleeps it says so, and looks at the ring once more.
 * What was put there too late for that is withdrawn, and takes the trap link too.
 */
#ifndef WEIR_MISS_RING_H
#define WEIR_MISS_RING_H

#include "trap.h"

static __always_inline int miss_worker_is_awake(struct miss_ring *ring)
{
	return *(volatile __u32 *)&ring->awake != 0;
}

/*
 * TC has what the stack makes of a frame: whole, its tags beside it, checksums perhaps left to the
 * device that sends it (wasm/miss_ring.ts completes those of TCP and UDP). What the host itself
 * sends is not taken: to its socket a packet that TC drops on egress has failed.
 */
static __always_inline int fits_miss_ring(const struct packet *p)
{
	const struct walk *w = p->walk;

	if (p->hook != HOOK_TC || w->tags ||
	    (w->flags &
	     (WALK_GSO | WALK_FRAGMENT | WALK_DECAPSULATED | WALK_INJECTED | WALK_FROM_HOST)))
		return 0;
	return w->protocol == IPPROTO_TCP || w->protocol == IPPROTO_UDP ||
	       w->protocol == IPPROTO_ICMP || w->protocol == IPPROTO_ICMPV6;
}

/* The bounds are checked here, one by one: merged into one test, Linux 6.12 would not see them. */
static __always_inline int load_frame(struct __sk_buff *skb, struct miss_record *record,
				      __u64 length)
{
	asm volatile("" : "+r"(length));
	if (length > sizeof(record->packet))
		return -1;
	asm volatile("" : "+r"(length));
	if (length < ETH_HLEN)
		return -1;
	return bpf_skb_load_bytes(skb, 0, record->packet, length) != 0;
}

/* CONTINUE: there is no room, another CPU came first, or the packet or the worker is none for this. */
static __always_inline int ring_miss(const struct packet *p)
{
	struct walk *w = p->walk;
	__u32 worker = w->worker, position, complete;
	__u64 length = w->length;
	struct miss_ring *ring = bpf_map_lookup_elem(&miss_rings, &worker);
	struct miss_record *record;
	int failed;

	if (!ring || !miss_worker_is_awake(ring))
		return CONTINUE;
	if (length > sizeof(record->packet))
		return CONTINUE;
	position = *(volatile __u32 *)&ring->producer;
	if (position - *(volatile __u32 *)&ring->consumer >= WEIR_MISSES_PER_WORKER)
		return CONTINUE;
	if (__sync_val_compare_and_swap(&ring->producer, position, position + 1) != position)
		return CONTINUE;
	record = (struct miss_record *)(ring + 1) + (position & (WEIR_MISSES_PER_WORKER - 1));
	failed = load_frame(p->skb, record, length);
	record->length = length;
	trap_meta_fill(w, &record->meta);
	complete = position + 1;
	/* Before this it is all written; after it the worker is looked at: both take a barrier. */
	__sync_lock_test_and_set(&record->sequence, failed ? complete ^ MISS_WITHDRAWN : complete);
	if (failed)
		return CONTINUE;
	if (!miss_worker_is_awake(ring) &&
	    __sync_val_compare_and_swap(&record->sequence, complete, complete ^ MISS_WITHDRAWN) ==
		    complete)
		return CONTINUE;
	count_trap(w);
	/* TC_ACT_STOLEN would say so too, but means nothing on a TCX hook, and the stack would get it. */
	return verdict_drop(p);
}
STAGE(ring_miss)

/* Sends the packet that made a hold entry to the slow path. */
static __always_inline int send_first(const struct packet *p)
{
	if (fits_miss_ring(p) && !tracing) {
		int verdict = call_ring_miss(p);

		if (verdict != CONTINUE)
			return verdict;
	}
	return call_send_trap(p);
}

#endif
