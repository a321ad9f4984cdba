/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Neighbour solicitations (RFC 4861) answered in place. */
#ifndef WEIR_ANSWER_ND_H
#define WEIR_ANSWER_ND_H

#include "output.h"
#include "proxy.h"

#define ND_SOLICITATION  135
#define ND_ADVERTISEMENT 136
#define ND_HOP_LIMIT     255 /* proves that no router has forwarded it (RFC 4861 section 7.1.1) */

#define ND_OPTION_TARGET_MAC 2
#define ND_FLAG_ROUTER       0x80000000
#define ND_FLAG_SOLICITED    0x40000000
#define ND_FLAG_OVERRIDE     0x20000000

struct nd_solicitation {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 reserved;
	__u8 target[16];
};

struct nd_advertisement {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be32 flags;
	__u8 target[16];
	__u8 option_type;
	__u8 option_length; /* in units of 8 bytes */
	__u8 option_mac[6];
};

struct nd_packet {
	struct ipv6hdr ip;
	struct nd_advertisement nd;
};
_Static_assert(sizeof(struct nd_packet) == 72, "no padding: it is summed as it lies");

/* Pseudo header and message, for the checksum (RFC 8200 section 8.1). */
struct nd_pseudo {
	__be32 length;
	__be32 next_header;
};

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline __be16 nd_checksum(struct nd_packet *packet)
{
	struct nd_pseudo pseudo = { .length = bpf_htonl(sizeof(packet->nd)),
				    .next_header = bpf_htonl(IPPROTO_ICMPV6) };
	__s64 sum;

	sum = bpf_csum_diff(NULL, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
	/* Source and destination of the IP header, and the message behind them. */
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&packet->ip.saddr,
			    sizeof(*packet) - __builtin_offsetof(struct nd_packet, ip.saddr), sum);
	return fold(sum);
}

/* The advertisement is of one size, whatever options the solicitation had. */
static __always_inline int resize(const struct packet *p, __u32 length)
{
	if (length == p->walk->length)
		return 0;
	if (p->hook == HOOK_XDP)
		return bpf_xdp_adjust_tail(p->xdp, (int)length - (int)p->walk->length);
	return bpf_skb_change_tail(p->skb, length, 0);
}

static __always_inline void advertisement_fill(struct nd_packet *packet, const __u8 *asker,
					       int unspecified, const struct proxy_query *query)
{
	__builtin_memset(packet, 0, sizeof(*packet));
	packet->ip.version = 6;
	packet->ip.payload_len = bpf_htons(sizeof(packet->nd));
	packet->ip.nexthdr = IPPROTO_ICMPV6;
	packet->ip.hop_limit = ND_HOP_LIMIT;
	__builtin_memcpy(&packet->ip.saddr, query->address, sizeof(query->address));
	__builtin_memcpy(&packet->ip.daddr, asker, sizeof(packet->ip.daddr));
	packet->nd.type = ND_ADVERTISEMENT;
	packet->nd.flags = bpf_htonl((query->gateway ? ND_FLAG_ROUTER : 0) | ND_FLAG_OVERRIDE |
				     (unspecified ? 0 : ND_FLAG_SOLICITED));
	__builtin_memcpy(packet->nd.target, query->address, sizeof(query->address));
	packet->nd.option_type = ND_OPTION_TARGET_MAC;
	packet->nd.option_length = 1;
	mac_copy(packet->nd.option_mac, query->mac);
	packet->nd.checksum = nd_checksum(packet);
}

static __always_inline int answer_nd(const struct packet *p)
{
	struct walk *w = p->walk;
	struct nd_solicitation *nd = packet_at(p, w->l4_offset, sizeof(*nd));
	struct proxy_query query = { .interface = w->interface,
				     .family = 6,
				     .vrf = w->key.vrf,
				     .tunnel = w->ingress & INGRESS_TUNNEL };
	struct nd_packet packet, *to;
	struct ethhdr *eth;
	__u8 asker[16] = {};
	int unspecified;

	if (!nd || nd->code || w->ttl != ND_HOP_LIMIT || nd->target[0] == 0xff)
		return drop(p, DROP_INVALID_PACKET);
	__builtin_memcpy(query.address, nd->target, sizeof(query.address));
	if (!proxy_find(&query))
		return CONTINUE;
	__builtin_memcpy(asker, w->key.v6.source, sizeof(asker));
	unspecified = address6_is_zero(asker);
	/* Duplicate address detection has no address yet to answer to (RFC 4861 section 7.2.4). */
	if (unspecified) {
		asker[0] = 0xff;
		asker[1] = 0x02;
		asker[15] = 0x01;
	}
	advertisement_fill(&packet, asker, unspecified, &query);
	if (resize(p, w->l3_offset + sizeof(packet)))
		return drop(p, DROP_REDIRECT_FAILED);
	w->length = w->l3_offset + sizeof(packet);
	w->ip_length = sizeof(packet);
	to = packet_at(p, w->l3_offset, sizeof(*to));
	eth = packet_ethernet(p);
	if (!to || !eth)
		return drop(p, DROP_INVALID_PACKET);
	*to = packet;
	mac_copy(eth->h_dest, eth->h_source);
	mac_copy(eth->h_source, query.mac);
	return send_answer(p);
}

#endif
