/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Congestion that was marked on the way through a tunnel (RFC 6040, normal mode). */
#ifndef WEIR_ECN_H
#define WEIR_ECN_H

#include "tunnel.h"

#define ECN_DROP (-1)

/* Figure 4: the ECN field that the inner header gets, or ECN_DROP. */
static __always_inline int ecn_decapsulate(__u8 inner, __u8 outer)
{
	if (outer == ECN_CE)
		return inner == ECN_NOT_ECT ? ECN_DROP : ECN_CE;
	return outer == ECN_ECT1 && inner == ECN_ECT0 ? ECN_ECT1 : inner;
}

static __always_inline int ecn_write4(const struct packet *p, __u8 ecn)
{
	struct iphdr *ip = packet_at(p, p->walk->l3_offset, sizeof(*ip));
	__u32 sum;
	__be16 from, to;

	if (!ip)
		return -1;
	from = *(__be16 *)ip;
	ip->tos = (ip->tos & ~ECN_MASK) | ecn;
	to = *(__be16 *)ip;
	/* RFC 1624: ~(~sum + ~from + to) */
	sum = (__u16)~ip->check + (__u16)~from + to;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~sum;
	return 0;
}

static __always_inline int ecn_write6(const struct packet *p, __u8 ecn)
{
	__be16 *first = packet_at(p, p->walk->l3_offset, sizeof(*first));
	__be16 from, to;

	if (!first)
		return -1;
	from = *first;
	to = (from & ~bpf_htons(ECN_MASK << 4)) | bpf_htons(ecn << 4);
	*first = to;
	if (p->hook == HOOK_TC)
		bpf_csum_update(p->skb, (__u16)~from + (__u32)to);
	return 0;
}

/* Brings the mark of the outer header into the inner one; DROP_NONE or the reason to drop. */
static __always_inline int ecn_transfer(const struct packet *p, __u8 outer)
{
	struct walk *w = p->walk;
	__u8 inner = traffic_class(p, w->l3_offset) & ECN_MASK;
	int ecn;

	if (!w->family)
		return DROP_NONE;
	ecn = ecn_decapsulate(inner, outer & ECN_MASK);
	if (ecn == ECN_DROP)
		return DROP_ECN;
	if (ecn == inner)
		return DROP_NONE;
	return (w->family == 4 ? ecn_write4(p, ecn) : ecn_write6(p, ecn)) ? DROP_INVALID_PACKET
									  : DROP_NONE;
}

#endif
