/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Token buckets, one an interface and direction for all CPUs, without locks: the bucket is a
 * single time (the generic cell rate algorithm), which a compare-and-swap moves.
 *
 * A packet costs the time that its bytes take at the rate, and conforms if the bucket is full
 * again no later than `burst` from now. One that is longer than the whole burst, as a chain of
 * segments may be, passes a full bucket and leaves a debt: the rate holds in any case.
 */
#ifndef WEIR_POLICER_H
#define WEIR_POLICER_H

#include "clock.h"
#include "maps.h"
#include "parse.h"
#include "trace_record.h"

#define POLICER_TRIES 8 /* before a swap that other CPUs made fail is not tried again */

/* Bytes of the longest packet, on the wire; more than the kernel's largest (BIG TCP). */
#define POLICER_MAX_BYTES (1 << 20)

/* Between the clocks of two CPUs, and more; in POLICER_TIME_SHIFT units. */
#define POLICER_SKEW (NSEC_PER_SEC << POLICER_TIME_SHIFT)

/* Bytes in front of the payload of each segment that the kernel makes of a large packet. */
static __always_inline __u32 segment_headers(const struct packet *p)
{
	struct walk *w = p->walk;
	__u32 offset = w->room + w->l4_offset;
	struct tcphdr *tcp;

	if (!w->l4_offset)
		return w->room + w->l3_offset +
		       (w->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	if (w->protocol != IPPROTO_TCP)
		return offset + MIN_UDP_BYTES;
	tcp = packet_at(p, offset, sizeof(*tcp));
	return offset + (tcp ? tcp->doff * 4 : MIN_TCP_BYTES);
}

/* Bytes of the frame as it is on the wire, without FCS: every segment has headers and tag of its own. */
static __always_inline __u32 wire_length(const struct packet *p)
{
	__u32 length = packet_length(p);
	__u32 tag = 0, headers, size, segments;

	if (p->hook == HOOK_XDP)
		return length;
	if (CONTEXT_FIELD(p->skb, vlan_present))
		tag = sizeof(struct vlan_header);
	size = CONTEXT_FIELD(p->skb, gso_size);
	headers = segment_headers(p);
	if (!size || length <= headers)
		return length + tag;
	/* Not gso_segs: it is 0 once headers were put in front, and in what guests send. */
	segments = (length - headers + size - 1) / size;
	return length + tag + (segments - 1) * (headers + tag);
}

static __always_inline __u64 policer_cost(const struct policer *policer, __u32 bytes)
{
	if (bytes > POLICER_MAX_BYTES)
		bytes = POLICER_MAX_BYTES;
	return (bytes * policer->cost) >> POLICER_COST_SHIFT;
}

/* Takes the packet's bytes out of the bucket; 0: they do not conform, and are counted. */
static __always_inline int policer_admit(struct policer *policer, __u32 bytes)
{
	__u64 now = bpf_ktime_get_ns() << POLICER_TIME_SHIFT;
	__u64 cost = policer_cost(policer, bytes);
	__u64 burst = policer->burst;
	/* The clock wraps around: what is further ahead than it can be lies in the past. */
	__u64 most = burst + policer_cost(policer, POLICER_MAX_BYTES) + POLICER_SKEW;
	__u64 time, ahead;
	__u32 i;

	for (i = 0; i < POLICER_TRIES; i++) {
		time = *(volatile __u64 *)&policer->time;
		ahead = time - now;
		if (ahead > most)
			ahead = 0;
		if (tracing)
			return !ahead || ahead + cost <= burst;
		if (ahead && ahead + cost > burst) {
			__sync_fetch_and_add(&policer->dropped_packets, 1);
			__sync_fetch_and_add(&policer->dropped_bytes, bytes);
			return 0;
		}
		if (__sync_val_compare_and_swap(&policer->time, time, now + ahead + cost) == time)
			return 1;
	}
	/* It conformed each time; it is paid for, if not in one step. */
	__sync_fetch_and_add(&policer->time, cost);
	return 1;
}

static __always_inline struct policer *policer_of(__u32 interface, __u32 direction)
{
	__u32 index = interface * POLICE_DIRECTIONS + direction;

	return bpf_map_lookup_elem(&policers, &index);
}

/* Whether the packet conforms to the rate of `interface` in the direction POLICE_*. */
static __always_inline int police(const struct packet *p, __u32 interface, __u32 direction)
{
	struct policer *policer = policer_of(interface, direction);

	return !policer || !policer->cost || policer_admit(policer, wire_length(p));
}

/* Gives back what a received packet has paid, because it will be received again. */
__attribute__((noinline)) int police_again(__u32 interface, __u32 bytes)
{
	struct policer *policer = policer_of(interface, POLICE_RECEIVED);

	if (policer && policer->cost && !tracing)
		__sync_fetch_and_sub(&policer->time, policer_cost(policer, bytes));
	return 0;
}

#endif
