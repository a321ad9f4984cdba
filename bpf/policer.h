/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Policers: token buckets, one an interface and direction. A packet costs the time that its bytes
 * take at the rate. One that is longer than the whole burst, as a chain of segments may be, passes
 * a full bucket and leaves a debt: the rate holds in any case.
 */
#ifndef WEIR_POLICER_H
#define WEIR_POLICER_H

#include "parse.h"
#include "token_bucket.h"

/* Bytes of the longest packet, on the wire; more than the kernel's largest (BIG TCP). */
#define POLICER_MAX_BYTES (1 << 20)

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
	if (bucket_take(&policer->time, policer->burst, policer_cost(policer, bytes),
			policer_cost(policer, POLICER_MAX_BYTES)))
		return 1;
	if (!tracing) {
		__sync_fetch_and_add(&policer->dropped_packets, 1);
		__sync_fetch_and_add(&policer->dropped_bytes, bytes);
	}
	return 0;
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
