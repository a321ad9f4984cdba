/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The byte of DSCP and ECN in an IP header: TOS of IPv4, traffic class of IPv6 (RFC 2474, RFC 3168). */
#ifndef WEIR_TRAFFIC_CLASS_H
#define WEIR_TRAFFIC_CLASS_H

#include "parse.h"

#define ECN_MASK    3
#define ECN_NOT_ECT 0
#define ECN_ECT1    1
#define ECN_ECT0    2
#define ECN_CE      3

#define DSCP_SHIFT 2

/* Of the walk's IP header, at `offset`; 0 if there is none. */
static __always_inline __u8 traffic_class(const struct packet *p, __u32 offset)
{
	__be16 *first = packet_at(p, offset, sizeof(*first));

	if (!first || !p->walk->family)
		return 0;
	return p->walk->family == 4 ? bpf_ntohs(*first) & 0xff : (bpf_ntohs(*first) >> 4) & 0xff;
}

static __always_inline int traffic_class_write4(const struct packet *p, __u8 value)
{
	struct iphdr *ip = packet_at(p, p->walk->l3_offset, sizeof(*ip));
	__u32 sum;
	__be16 from, to;

	if (!ip)
		return -1;
	from = *(__be16 *)ip;
	ip->tos = value;
	to = *(__be16 *)ip;
	/* RFC 1624: ~(~sum + ~from + to) */
	sum = (__u16)~ip->check + (__u16)~from + to;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~sum;
	return 0;
}

static __always_inline int traffic_class_write6(const struct packet *p, __u8 value)
{
	__be16 *first = packet_at(p, p->walk->l3_offset, sizeof(*first));
	__be16 from, to;

	if (!first)
		return -1;
	from = *first;
	to = (from & bpf_htons(0xf00f)) | bpf_htons(value << 4);
	*first = to;
	/* No checksum in the header, but perhaps one of the whole packet from the device. */
	if (p->hook == HOOK_TC)
		bpf_csum_update(p->skb, (__u16)~from + (__u32)to);
	return 0;
}

/* Writes the byte into the walk's IP header, which there is; 0, or -1 if it is out of reach. */
static __always_inline int traffic_class_write(const struct packet *p, __u8 value)
{
	return p->walk->family == 4 ? traffic_class_write4(p, value)
				    : traffic_class_write6(p, value);
}

#endif
