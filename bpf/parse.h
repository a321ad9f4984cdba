/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Ethernet, VLAN tags, IPv4 and IPv6 into struct walk; the upper layers are in parse_l4.h.
 *
 * Each function returns PARSE_OK, the reason to drop the packet, or PARSE_PULL: the header
 * is in a part of an skb that is not linear.
 */
#ifndef WEIR_PARSE_H
#define WEIR_PARSE_H

#include "parse_l4.h"

#define MAX_VLAN_TAGS 2

struct vlan_header {
	__be16 tci;
	__be16 ethertype;
};

static __always_inline int is_vlan_type(__u16 ethertype)
{
	return ethertype == ETH_P_8021Q || ethertype == ETH_P_8021AD;
}

#define IPV4_WORDS     5 /* 32-bit words of a header without options */
#define MAX_IPV4_WORDS 15

/* Sums `words` 32-bit words of the header at `offset`; the reason to drop is returned, if any. */
static __always_inline int parse_ipv4_checksum(const struct packet *p, const struct iphdr *ip,
					       __u32 offset, __u32 words)
{
	const __u32 *header = (const __u32 *)ip;
	__u64 sum = 0;
	__u32 i;

	for (i = 0; i < IPV4_WORDS; i++)
		sum += header[i];
	for (; i < MAX_IPV4_WORDS; i++) {
		__u32 *word;

		if (i >= words)
			break;
		word = packet_at(p, offset + i * 4, sizeof(*word));
		if (!word)
			return parse_missing(p, offset + words * 4);
		sum += *word;
	}
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff ? PARSE_OK : DROP_CHECKSUM;
}

static __always_inline int parse_ipv4(const struct packet *p, __u32 offset)
{
	struct iphdr *ip = packet_at(p, offset, sizeof(*ip));
	struct walk *w = p->walk;
	__u32 available = w->length - offset;
	__u32 header, total;
	__u16 fragment;
	int reason;

	if (!ip)
		return parse_missing(p, offset + sizeof(*ip));
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	/* Segments of more than 64 KiB (BIG TCP) say 0. */
	if (total == 0 && (w->flags & WALK_GSO))
		total = available;
	if (ip->version != 4 || header < sizeof(*ip) || total < header || total > available)
		return DROP_INVALID_PACKET;
	fragment = bpf_ntohs(ip->frag_off);
	w->family = 4;
	w->ip_length = total;
	w->protocol = ip->protocol;
	w->ttl = ip->ttl;
	w->key.v4.source = ip->saddr;
	w->key.v4.destination = ip->daddr;
	w->key.v4.protocol = ip->protocol;
	if (fragment & IP_DONT_FRAGMENT)
		w->flags |= WALK_DONT_FRAGMENT;
	if (fragment & (IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET))
		w->flags |= WALK_FRAGMENT;
	w->fragment_id = ip->id;
	reason = parse_ipv4_checksum(p, ip, offset, header / 4);
	if (reason)
		return reason;
	if (fragment & IP_FRAGMENT_OFFSET) {
		w->flags |= WALK_NO_PORTS;
		return PARSE_OK;
	}
	return parse_l4(p, forget_range(w, offset + header), total - header);
}

static __always_inline int parse_ipv6(const struct packet *p, __u32 offset)
{
	struct ipv6hdr *ip = packet_at(p, offset, sizeof(*ip));
	struct extensions extensions = {};
	struct walk *w = p->walk;
	__u32 available = w->length - offset;
	__u32 total, end;
	int reason;

	if (!ip)
		return parse_missing(p, offset + sizeof(*ip));
	total = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	if (total == sizeof(*ip) && (w->flags & WALK_GSO))
		total = available;
	if (ip->version != 6 || total > available)
		return DROP_INVALID_PACKET;
	w->family = 6;
	w->ip_length = total;
	w->ttl = ip->hop_limit;
	w->flags |= WALK_DONT_FRAGMENT;
	__builtin_memcpy(w->key.v6.source, &ip->saddr, sizeof(w->key.v6.source));
	__builtin_memcpy(w->key.v6.destination, &ip->daddr, sizeof(w->key.v6.destination));
	end = offset + total;
	extensions.next = ip->nexthdr;
	extensions.offset = offset + sizeof(*ip);
	reason = parse_extensions(p, &extensions, end);
	w->protocol = extensions.next;
	w->key.v6.protocol = extensions.next;
	if (extensions.fragment)
		w->flags |= WALK_FRAGMENT;
	if (reason)
		return reason;
	if (extensions.later_fragment) {
		w->flags |= WALK_NO_PORTS;
		return PARSE_OK;
	}
	return parse_l4(p, extensions.offset, end - extensions.offset);
}

/* Steps over the VLAN tags that are in the frame; returns the offset of what follows. */
static __always_inline int parse_ethernet(const struct packet *p, __u32 *offset)
{
	struct ethhdr *eth = packet_ethernet(p);
	struct walk *w = p->walk;
	__u16 ethertype;
	__u32 i;

	if (!eth)
		return parse_missing(p, sizeof(*eth));
	if (eth->h_dest[0] & 1)
		w->flags |= WALK_GROUP;
	ethertype = bpf_ntohs(eth->h_proto);
	*offset = sizeof(*eth);
	/* The kernel takes the outermost tag out of the frame before TC sees it. */
	if (p->hook == HOOK_TC && CONTEXT_FIELD(p->skb, vlan_present)) {
		w->vlan = CONTEXT_FIELD(p->skb, vlan_tci) & VLAN_ID_MASK;
		w->tags = 1;
	}
	for (i = 0; i < MAX_VLAN_TAGS; i++) {
		struct vlan_header *tag;

		if (!is_vlan_type(ethertype))
			break;
		if (w->tags >= MAX_VLAN_TAGS)
			return DROP_UNSUPPORTED_PROTOCOL;
		tag = packet_at(p, *offset, sizeof(*tag));
		if (!tag)
			return parse_missing(p, *offset + sizeof(*tag));
		if (w->tags == 0)
			w->vlan = bpf_ntohs(tag->tci) & VLAN_ID_MASK;
		ethertype = bpf_ntohs(tag->ethertype);
		*offset += sizeof(*tag);
		w->tags++;
	}
	w->ethertype = ethertype;
	return PARSE_OK;
}

static __always_inline int parse(const struct packet *p)
{
	struct walk *w = p->walk;
	__u32 offset = 0;
	int reason;

	if (p->hook == HOOK_TC && CONTEXT_FIELD(p->skb, gso_size))
		w->flags |= WALK_GSO;
	reason = parse_ethernet(p, &offset);
	if (reason)
		return reason;
	w->l3_offset = offset;
	w->ip_length = w->length - offset;
	offset = forget_range(w, offset);
	switch (w->ethertype) {
	case ETH_P_IP:
		return parse_ipv4(p, offset);
	case ETH_P_IPV6:
		return parse_ipv6(p, offset);
	case ETH_P_ARP:
		return PARSE_OK;
	default:
		w->l3_offset = 0;
		return PARSE_OK;
	}
}
STAGE(parse)

/*
 * Fills the walk, which must be all zero, from a frame of `length` bytes; returns PARSE_OK or
 * the reason to drop the packet.
 */
static __always_inline int parse_frame(const struct packet *p, __u32 length)
{
	int reason;

	p->walk->length = length;
	reason = call_parse(p);

	if (p->hook == HOOK_TC && reason == PARSE_PULL) {
		__u32 pull = length > PACKET_PULL_BYTES ? PACKET_PULL_BYTES : length;

		__builtin_memset(p->walk, 0, sizeof(*p->walk));
		p->walk->length = length;
		if (bpf_skb_pull_data(p->skb, pull) == 0)
			reason = call_parse(p);
	}
	return reason == PARSE_PULL ? DROP_INVALID_PACKET : reason;
}

static __always_inline int parse_packet(const struct packet *p)
{
	return parse_frame(p, packet_length(p));
}

#endif
