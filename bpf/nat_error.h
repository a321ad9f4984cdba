/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * ICMP errors about translated packets: who gets one sees the packet quoted as he sent it.
 * The error follows the flow of the answers to that packet. Its own source is translated
 * only if it is that flow's end; the address of a router on the way stays as it is.
 */
#ifndef WEIR_NAT_ERROR_H
#define WEIR_NAT_ERROR_H

#include "flow.h"
#include "nat_write.h"

/* Whether the error comes from where the flow does. */
static __always_inline int is_from_end(const struct packet *p)
{
	struct walk *w = p->walk;

	if (w->family == 4) {
		struct iphdr *ip = packet_at(p, w->l3_offset, sizeof(*ip));

		return ip && ip->saddr == w->key.v4.source;
	} else {
		struct ipv6hdr *ip = packet_at(p, w->l3_offset, sizeof(*ip));

		return ip && address6_equal((__u8 *)&ip->saddr, w->key.v6.source);
	}
}

/* Where the upper layer of the IP packet at `at` begins; 0: not to be found. */
static __always_inline __u32 quoted_segment(const struct packet *p, __u32 at)
{
	struct walk *w = p->walk;
	struct extensions extensions = {};

	if (w->family == 4) {
		struct iphdr *ip = packet_at(p, at, sizeof(*ip));

		return ip ? forget_range(w, at + ip->ihl * 4) : 0;
	} else {
		struct ipv6hdr *ip = packet_at(p, at, sizeof(*ip));

		if (!ip)
			return 0;
		extensions.next = ip->nexthdr;
		extensions.offset = at + sizeof(*ip);
		return parse_extensions(p, &extensions, PACKET_PULL_BYTES) ? 0 : extensions.offset;
	}
}

/* By how much the quoted checksum has to change the error's; it may be cut off. */
static __always_inline __u64 change_quoted_checksum(const struct packet *p, __u32 at,
						    __u64 difference)
{
	struct walk *w = p->walk;
	__u8 protocol = w->key.v4.protocol;
	__u32 end = w->l3_offset + w->ip_length;
	__be16 *check, from;

	if (w->family == 6)
		protocol = w->key.v6.protocol;
	if (!checksum_offset(protocol))
		return 0;
	at = forget_range(w, at + checksum_offset(protocol));
	check = packet_at(p, at, sizeof(*check));
	if (!check || at + sizeof(*check) > end || (protocol == IPPROTO_UDP && !*check))
		return 0;
	from = *check;
	checksum_change(check, difference);
	if (protocol == IPPROTO_UDP && !*check)
		*check = 0xffff;
	return change16(from, *check);
}

/* The quoted packet went the other way: its source is the flow's destination. */
static __always_inline int translate_quoted(const struct packet *p, const struct flow_entry *flow,
					    __u64 *difference)
{
	struct walk *w = p->walk;
	__u32 at = w->l4_offset + sizeof(struct icmp_header);
	__u8 protocol = w->family == 4 ? w->key.v4.protocol : w->key.v6.protocol;
	__u64 addresses, ports = 0;
	__u32 segment;

	segment = quoted_segment(p, at);
	if (!segment || write_addresses(p, at, flow->new_destination, flow->new_source, &addresses))
		return -1;
	if (has_ports(protocol))
		ports = write_ports(p, segment, flow->new_destination_port, flow->new_source_port);
	else if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
		ports = write_identifier(p, segment, flow->new_source_port);
	/* IPv4's header makes up for its addresses itself. */
	*difference = ports + (w->family == 6 ? addresses : 0);
	*difference += change_quoted_checksum(p, segment,
					      ports + (protocol == IPPROTO_ICMP ? 0 : addresses));
	return 0;
}

/* 0, or -1 if what parse_icmp() has found is not there. */
static __always_inline int translate_error(const struct packet *p, const struct flow_entry *flow)
{
	struct walk *w = p->walk;
	const __u8 *source = is_from_end(p) ? flow->new_source : NULL;
	struct icmp_header *icmp;
	__u64 quoted, own;

	if (translate_quoted(p, flow, &quoted) ||
	    write_addresses(p, w->l3_offset, source, flow->new_destination, &own))
		return -1;
	icmp = packet_at(p, w->l4_offset, sizeof(*icmp));
	if (!icmp)
		return -1;
	checksum_change(&icmp->checksum, quoted + (w->family == 6 ? own : 0));
	return 0;
}

#endif
