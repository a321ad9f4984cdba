/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What routing changes in a packet, and whether it fits. */
#ifndef WEIR_REWRITE_H
#define WEIR_REWRITE_H

#include "nexthop.h"
#include "parse.h"
#include "trace_record.h"

/* TTL or hop limit minus one; checksums by the difference only (RFC 1624). */
static __always_inline int decrement_ttl(const struct packet *p)
{
	struct walk *w = p->walk;
	__u32 check;

	if (w->family == 4) {
		struct iphdr *ip = packet_at(p, w->l3_offset, sizeof(*ip));

		if (!ip)
			return -1;
		/* The TTL is the high byte of its word: the sum falls by 0x0100. */
		check = ip->check + bpf_htons(0x0100);
		ip->check = check + (check >= 0xffff);
		ip->ttl--;
	} else {
		struct ipv6hdr *ip = packet_at(p, w->l3_offset, sizeof(*ip));

		if (!ip)
			return -1;
		ip->hop_limit--;
		/* No checksum in the header, but perhaps one of the whole packet from the device. */
		if (p->hook == HOOK_TC)
			bpf_csum_update(p->skb, bpf_htons(0xfffe));
	}
	return 0;
}

/* Routed: new MACs and one hop less. */
static __always_inline int rewrite(const struct packet *p, const struct nexthop *nh)
{
	struct ethhdr *eth = packet_ethernet(p);

	if (!eth)
		return -1;
	mac_copy(eth->h_dest, nh->destination_mac);
	mac_copy(eth->h_source, nh->source_mac);
	return p->walk->flags & WALK_NO_HOP ? 0 : decrement_ttl(p);
}

/* What rewrite() has done. */
static __always_inline void trace_rewrite(const struct packet *p)
{
	trace_step(p, TRACE_REWRITE, p->walk->ttl - !(p->walk->flags & WALK_NO_HOP), 0, 0);
}

/*
 * The hop-by-hop header with which the kernel tells the length of IPv6 packets of more than
 * 64 KiB (RFC 2675; struct hop_jumbo_hdr, include/net/ipv6.h). Their segments do not have it.
 */
#define JUMBO_OPTION_BYTES 8

static __always_inline int has_jumbo_option(const struct packet *p)
{
	struct walk *w = p->walk;
	struct ipv6hdr *ip;

	if (w->family != 6 || w->ip_length <= 0xffff + sizeof(*ip))
		return 0;
	ip = packet_at(p, w->l3_offset, sizeof(*ip));
	return ip && ip->nexthdr == EXTENSION_HOP_BY_HOP;
}

/* Layer 3 bytes of each segment that the kernel will make of a large packet. */
static __always_inline __u32 segment_length(const struct packet *p)
{
	struct walk *w = p->walk;
	__u32 headers = w->l4_offset - w->l3_offset + MIN_UDP_BYTES;

	if (w->protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = packet_at(p, w->l4_offset, sizeof(*tcp));

		headers += (tcp ? tcp->doff * 4 : MIN_TCP_BYTES) - MIN_UDP_BYTES;
	}
	if (has_jumbo_option(p))
		headers -= JUMBO_OPTION_BYTES;
	return headers + CONTEXT_FIELD(p->skb, gso_size);
}

/*
 * Layer 3 bytes that fit into a next hop; 0: not known. A tunnel's MTU is that of routed packets:
 * in MPLS a bridged one has its Ethernet header besides.
 */
static __always_inline __u32 mtu_of(const struct walk *w, const struct nexthop *nh)
{
	int framed =
		nh->type == NEXTHOP_TUNNEL && nh->encap != ENCAP_VXLAN && !(w->flags & WALK_ROUTED);

	return framed && nh->mtu > ETH_HLEN ? nh->mtu - ETH_HLEN : nh->mtu;
}

/* Whether the packet, or each segment that will be made of it, is larger than `mtu`. */
static __always_inline int is_too_big(const struct packet *p, __u32 mtu)
{
	struct walk *w = p->walk;

	if (!mtu || w->ip_length <= mtu)
		return 0;
	if (p->hook == HOOK_TC && (w->flags & WALK_GSO))
		return segment_length(p) > mtu;
	return 1;
}

#endif
