/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Echo requests to a gateway answered in place: addresses swapped, the type changed. TTL and
 * options stay as they came.
 */
#ifndef WEIR_ANSWER_ECHO_H
#define WEIR_ANSWER_ECHO_H

#include "output.h"

#define L4_CHECKSUM_TWO_BYTES 2 /* flags of bpf_l4_csum_replace(): the field's size */

static __always_inline int is_gateway(const struct walk *w)
{
	__u32 flags = w->family == 4 ? address4_flags(w->interface, w->key.v4.destination)
				     : address_flags(w->interface, w->key.v6.destination);

	return flags & ADDRESS_GATEWAY;
}

/* Request to reply. Swapped addresses leave all checksums as they are. */
static __always_inline int echo_reply_type(const struct packet *p)
{
	struct walk *w = p->walk;
	struct icmp_header *icmp = packet_at(p, w->l4_offset, sizeof(*icmp));
	__u8 reply = w->family == 4 ? ICMP_ECHOREPLY : ICMPV6_ECHO_REPLY;
	__u32 at = w->l4_offset;
	__u16 from, to;
	__u32 sum;

	if (!icmp)
		return -1;
	from = *(__u16 *)icmp;
	icmp->type = reply;
	to = *(__u16 *)icmp;
	/* The helper also knows checksums that the device is still to finish. */
	if (p->hook == HOOK_TC)
		return bpf_l4_csum_replace(p->skb,
					   at + __builtin_offsetof(struct icmp_header, checksum),
					   from, to, L4_CHECKSUM_TWO_BYTES);
	/* RFC 1624: ~(~sum + ~from + to) */
	sum = (__u16)~icmp->checksum + (__u16)~from + to;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	icmp->checksum = ~sum;
	return 0;
}

static __always_inline int swap_addresses(const struct packet *p)
{
	struct walk *w = p->walk;
	struct ethhdr *eth = packet_ethernet(p);
	__u8 mac[6];

	if (!eth)
		return -1;
	mac_copy(mac, eth->h_dest);
	mac_copy(eth->h_dest, eth->h_source);
	mac_copy(eth->h_source, mac);
	if (w->family == 4) {
		struct iphdr *ip = packet_at(p, w->l3_offset, sizeof(*ip));

		if (!ip)
			return -1;
		ip->saddr = w->key.v4.destination;
		ip->daddr = w->key.v4.source;
	} else {
		struct ipv6hdr *ip = packet_at(p, w->l3_offset, sizeof(*ip));

		if (!ip)
			return -1;
		__builtin_memcpy(&ip->saddr, w->key.v6.destination, sizeof(ip->saddr));
		__builtin_memcpy(&ip->daddr, w->key.v6.source, sizeof(ip->daddr));
	}
	return 0;
}

/* Later fragments of a long request have no type: they follow the first by their addresses. */
static __always_inline int answer_echo(const struct packet *p)
{
	struct walk *w = p->walk;

	if ((w->flags & WALK_GROUP) || !is_gateway(w))
		return CONTINUE;
	if (swap_addresses(p))
		return drop(p, DROP_INVALID_PACKET);
	if (!(w->flags & WALK_NO_PORTS) && echo_reply_type(p))
		return drop(p, DROP_INVALID_PACKET);
	return send_answer(p);
}

#endif
