/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Lowers the segment size that a TCP SYN offers to what fits through the tunnel that its
 * answers, or the segments that answer it, take (RFC 9293 section 3.7.1).
 */
#ifndef WEIR_MSS_H
#define WEIR_MSS_H

#include "flow.h"
#include "interface.h"
#include "nexthop.h"
#include "rewrite.h"
#include "tcp_option.h"

#define LEAST_MSS 216 /* nothing sensible is smaller (RFC 4821 section 7.2) */

#define L4_CHECKSUM_MSS 2 /* flags of bpf_l4_csum_replace(): the field's size */

static __always_inline int mss_checksum(const struct packet *p, __u16 from, __u16 to)
{
	__u32 at = p->walk->l4_offset;
	struct tcphdr *tcp;
	__u32 sum;

	if (p->hook == HOOK_TC)
		return bpf_l4_csum_replace(p->skb, at + __builtin_offsetof(struct tcphdr, check),
					   from, to, L4_CHECKSUM_MSS);
	tcp = packet_at(p, at, sizeof(*tcp));
	if (!tcp)
		return -1;
	/* RFC 1624: ~(~sum + ~from + to) */
	sum = (__u16)~tcp->check + (__u16)~from + to;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	tcp->check = ~sum;
	return 0;
}

static __always_inline int mss_write(const struct packet *p, __u32 at, __u16 limit)
{
	__u8 *value = packet_at(p, at, 2);
	__u16 from, to;

	if (!value || (value[0] << 8 | value[1]) <= limit)
		return 0;
	from = value[0] << 8 | value[1];
	to = limit;
	value[0] = to >> 8;
	value[1] = to & 0xff;
	/* The checksum's words count from the TCP header: an option may lie across two. */
	if ((at - p->walk->l4_offset) & 1) {
		from = from >> 8 | from << 8;
		to = to >> 8 | to << 8;
	}
	return mss_checksum(p, bpf_htons(from), bpf_htons(to));
}

/* The smaller one of two MTUs of which 0 says nothing. */
static __always_inline __u32 smaller_mtu(__u32 a, __u32 b)
{
	return !a || (b && b < a) ? b : a;
}

/* Layer 3 bytes that fit on the way there and back. */
static __always_inline __u32 path_mtu(const struct walk *w, const struct nexthop *nh)
{
	struct nexthop *back = NULL;

	if ((w->ingress & INGRESS_TUNNEL) && !(w->ingress & INGRESS_UNKNOWN))
		back = nexthop_get(w->ingress & INGRESS_ID);
	return back ? smaller_mtu(mtu_of(w, nh), mtu_of(w, back)) : mtu_of(w, nh);
}

/* CONTINUE, always: a SYN that cannot be understood is its receiver's business. */
static __always_inline int clamp_mss(const struct packet *p)
{
	struct walk *w = p->walk;
	struct nexthop *nh = nexthop_get(w->nexthop);
	struct interface *in = interface_get(w->interface);
	struct interface *out = nh ? interface_get(nh->interface) : NULL;
	__u32 headers =
		MIN_TCP_BYTES + (w->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	struct tcphdr *tcp;
	__u32 mtu, at;

	if (!nh || !(((in ? in->flags : 0) | (out ? out->flags : 0)) & INTERFACE_MSS_CLAMP))
		return CONTINUE;
	mtu = path_mtu(w, nh);
	if (mtu < headers + LEAST_MSS)
		return CONTINUE;
	tcp = packet_at(p, w->l4_offset, sizeof(*tcp));
	at = tcp ? tcp_option_find(p, TCP_OPTION_MSS, TCP_OPTION_MSS_BYTES,
				   w->l4_offset + tcp->doff * 4)
		 : 0;
	if (at)
		mss_write(p, at, mtu - headers);
	return CONTINUE;
}
STAGE(clamp_mss)

static __always_inline int is_syn(const struct walk *w)
{
	return w->protocol == IPPROTO_TCP && w->l4_offset && (w->tcp_flags & TCP_FLAG_SYN);
}

#endif
