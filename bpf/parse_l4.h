/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * IPv6 extension headers, the ports of the upper layer, and the packet that an ICMP error
 * quotes.
 */
#ifndef WEIR_PARSE_L4_H
#define WEIR_PARSE_L4_H

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include "packet.h"

#define PARSE_OK   0
#define PARSE_PULL (-1)

#define VLAN_ID_MASK       0x0fff
#define IP_DONT_FRAGMENT   0x4000 /* RFC 791, of the fragment word in host order */
#define IP_MORE_FRAGMENTS  0x2000
#define IP_FRAGMENT_OFFSET 0x1fff
#define IP6_FRAGMENT_MORE  0x0001 /* RFC 8200 section 4.5 */
#define IP6_FRAGMENT_AT    0xfff8

#define EXTENSION_HOP_BY_HOP 0
#define EXTENSION_ROUTING    43
#define EXTENSION_FRAGMENT   44
#define EXTENSION_AUTH       51
#define EXTENSION_DEST_OPTS  60
#define MAX_EXTENSIONS       8

#define MIN_ICMP_BYTES 8
#define MIN_UDP_BYTES  8
#define MIN_TCP_BYTES  20
#define MIN_SCTP_BYTES 12
#define QUOTED_BYTES   8 /* of the upper layer that an ICMP error holds at least (RFC 792) */

/* RFC 792, RFC 4443. <linux/icmp.h> would bring the C library's headers. */
#define ICMP_ECHOREPLY      0
#define ICMP_DEST_UNREACH   3
#define ICMP_SOURCE_QUENCH  4
#define ICMP_REDIRECT       5
#define ICMP_ECHO           8
#define ICMP_TIME_EXCEEDED  11
#define ICMP_PARAMETERPROB  12
#define ICMP_FIRST_QUERY    13 /* timestamp, information and address mask: request, reply */
#define ICMP_LAST_QUERY     18
#define ICMPV6_INFO         128 /* first type that is no error */
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY   129
#define ICMPV6_FIRST_ND     133 /* router and neighbour solicitation, each with its answer */
#define ICMPV6_LAST_ND      136
#define ICMPV6_NI_QUERY     139 /* RFC 4620 */
#define ICMPV6_NI_REPLY     140

/* ICMP and ICMPv6 alike. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__be16 identifier; /* of an echo */
	__be16 sequence;
};

struct extensions {
	__u32 offset; /* in: of the first; out: of the upper layer */
	__u8 next;    /* in: type of the first; out: the upper layer's protocol */
	__u8 fragment;
	__u8 later_fragment;
};

struct extension_header {
	__u8 next;
	__u8 length; /* in units of 8 bytes without the first; AUTH: of 4 bytes, minus 2 */
	__be16 fragment;
	__u32 identification;
};

/*
 * The offset, through memory that the verifier knows nothing about: all the ways that led to
 * it become one, instead of each being followed to the end. packet_at() bounds it again.
 */
static __always_inline __u32 forget_range(struct walk *w, __u32 offset)
{
	w->scratch = offset;
	asm volatile("" ::: "memory");
	return w->scratch;
}

/* The bytes up to `end` are not where packet_at() looks: elsewhere, or nowhere. */
static __always_inline int parse_missing(const struct packet *p, __u32 end)
{
	return p->hook == HOOK_TC && end <= p->walk->length && end <= PACKET_PULL_BYTES
		       ? PARSE_PULL
		       : DROP_INVALID_PACKET;
}

static __always_inline int parse_extensions(const struct packet *p, struct extensions *e, __u32 end)
{
	__u32 i;

	for (i = 0; i < MAX_EXTENSIONS; i++) {
		struct extension_header *header;
		__u32 size = sizeof(*header);
		__u16 fragment;

		if (e->next != EXTENSION_HOP_BY_HOP && e->next != EXTENSION_ROUTING &&
		    e->next != EXTENSION_FRAGMENT && e->next != EXTENSION_AUTH &&
		    e->next != EXTENSION_DEST_OPTS)
			return PARSE_OK;
		if (e->offset + size > end || e->offset + size > PACKET_PULL_BYTES)
			return DROP_INVALID_PACKET;
		header = packet_at(p, e->offset, size);
		if (!header)
			return parse_missing(p, e->offset + size);
		if (e->next == EXTENSION_FRAGMENT) {
			fragment = bpf_ntohs(header->fragment);
			/* Neither offset nor more: an atomic fragment, a whole packet (RFC 6946). */
			e->fragment = (fragment & (IP6_FRAGMENT_AT | IP6_FRAGMENT_MORE)) != 0;
			e->later_fragment = (fragment & IP6_FRAGMENT_AT) != 0;
			p->walk->fragment_id = header->identification;
		} else if (e->next == EXTENSION_AUTH) {
			size = (header->length + 2) * 4;
		} else {
			size = (header->length + 1) * 8;
		}
		e->next = header->next;
		e->offset = forget_range(p->walk, e->offset + size);
		if (e->offset > end)
			return DROP_INVALID_PACKET;
		if (e->later_fragment)
			return PARSE_OK;
	}
	return DROP_INVALID_PACKET;
}

static __always_inline void set_ports(struct walk *w, __be16 source, __be16 destination)
{
	if (w->family == 4) {
		w->key.v4.source_port = source;
		w->key.v4.destination_port = destination;
	} else {
		w->key.v6.source_port = source;
		w->key.v6.destination_port = destination;
	}
}

static __always_inline int is_echo(__u8 family, __u8 type)
{
	return family == 4 ? type == ICMP_ECHO || type == ICMP_ECHOREPLY
			   : type == ICMPV6_ECHO_REQUEST || type == ICMPV6_ECHO_REPLY;
}

/* Errors quote the packet that caused them (RFC 792; RFC 4443 section 2.1). */
static __always_inline int is_icmp_error(__u8 family, __u8 type)
{
	if (family == 6)
		return type < ICMPV6_INFO;
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

/* The type that answers `type`, or that it answers; 0: there is none. Pairs begin odd. */
static __always_inline __u8 icmp_counterpart(__u8 family, __u8 type)
{
	int paired = family == 4 ? type >= ICMP_FIRST_QUERY && type <= ICMP_LAST_QUERY
				 : (type >= ICMPV6_FIRST_ND && type <= ICMPV6_LAST_ND) ||
					   type == ICMPV6_NI_QUERY || type == ICMPV6_NI_REPLY;

	return paired ? ((type - 1) ^ 1) + 1 : 0;
}

/* What stands for the ports in the key (flow_abi.h, struct flow4_key); not for errors. */
static __always_inline void icmp_ports(__u8 family, const struct icmp_header *icmp, __be16 *source,
				       __be16 *destination)
{
	__u8 counterpart;

	if (is_echo(family, icmp->type)) {
		*source = icmp->identifier;
		*destination = icmp->identifier;
		return;
	}
	counterpart = icmp_counterpart(family, icmp->type);
	*source = counterpart ? bpf_htons(counterpart << 8 | icmp->code) : 0;
	*destination = bpf_htons(icmp->type << 8 | icmp->code);
}

static __always_inline int has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

/* What a flow key says of the upper layer at `offset` of a quoted packet; 0 if nothing. */
static __always_inline int quoted_ports(const struct packet *p, __u32 offset, __u8 protocol,
					__be16 *source, __be16 *destination)
{
	struct walk *w = p->walk;
	__u8 icmp = w->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	__be16 *words = packet_at(p, offset, QUOTED_BYTES);
	struct icmp_header *quoted = (void *)words;

	if (!words)
		return 0;
	if (has_ports(protocol)) {
		*source = words[0];
		*destination = words[1];
	} else if (protocol == icmp && !is_icmp_error(w->family, quoted->type)) {
		icmp_ports(w->family, quoted, source, destination);
	}
	return 1;
}

/*
 * Replaces the key by that of the flow in which the sender of the quoted packet gets its
 * answers. The quoted packet must have come from where the error goes to.
 */
static __always_inline int parse_quoted4(const struct packet *p, __u32 offset)
{
	struct walk *w = p->walk;
	struct iphdr *ip = packet_at(p, offset, sizeof(*ip));
	__be16 source = 0, destination = 0;
	__be32 address;
	__u8 protocol;

	if (!ip || ip->version != 4 || ip->ihl < 5 || ip->saddr != w->key.v4.destination ||
	    (bpf_ntohs(ip->frag_off) & IP_FRAGMENT_OFFSET))
		return 0;
	protocol = ip->protocol;
	address = ip->daddr;
	offset = forget_range(w, offset + ip->ihl * 4);
	if (!quoted_ports(p, offset, protocol, &source, &destination))
		return 0;
	w->key.v4.source = address;
	w->key.v4.source_port = destination;
	w->key.v4.destination_port = source;
	w->key.v4.protocol = protocol;
	return 1;
}

static __always_inline int address6_equal(const __u8 *a, const __u8 *b)
{
	const __u32 *x = (const __u32 *)a, *y = (const __u32 *)b;

	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3])) == 0;
}

static __always_inline int address6_is_zero(const __u8 *a)
{
	const __u32 *x = (const __u32 *)a;

	return (x[0] | x[1] | x[2] | x[3]) == 0;
}

static __always_inline int parse_quoted6(const struct packet *p, __u32 offset)
{
	struct walk *w = p->walk;
	struct ipv6hdr *ip = packet_at(p, offset, sizeof(*ip));
	struct extensions extensions = {};
	__be16 source = 0, destination = 0;

	if (!ip || ip->version != 6 || !address6_equal((__u8 *)&ip->saddr, w->key.v6.destination))
		return 0;
	extensions.next = ip->nexthdr;
	extensions.offset = offset + sizeof(*ip);
	if (parse_extensions(p, &extensions, PACKET_PULL_BYTES) || extensions.later_fragment)
		return 0;
	if (!quoted_ports(p, extensions.offset, extensions.next, &source, &destination))
		return 0;
	ip = packet_at(p, offset, sizeof(*ip));
	if (!ip)
		return 0;
	__builtin_memcpy(w->key.v6.source, &ip->daddr, sizeof(w->key.v6.source));
	w->key.v6.source_port = destination;
	w->key.v6.destination_port = source;
	w->key.v6.protocol = extensions.next;
	return 1;
}

static __always_inline int parse_icmp(const struct packet *p, __u32 offset)
{
	struct walk *w = p->walk;
	struct icmp_header *icmp = packet_at(p, offset, sizeof(*icmp));
	__be16 source, destination;
	int related;

	if (!icmp)
		return parse_missing(p, offset + sizeof(*icmp));
	w->icmp_type = icmp->type;
	if (!is_icmp_error(w->family, icmp->type)) {
		icmp_ports(w->family, icmp, &source, &destination);
		set_ports(w, source, destination);
		return PARSE_OK;
	}
	offset += sizeof(*icmp);
	/* All that may be quoted has to be linear before it is read. */
	if (p->hook == HOOK_TC) {
		__u32 want = w->length < PACKET_PULL_BYTES ? w->length : PACKET_PULL_BYTES;
		__u32 linear = CONTEXT_FIELD(p->skb, data_end) - CONTEXT_FIELD(p->skb, data);

		if (linear < want)
			return PARSE_PULL;
	}
	related = w->family == 4 ? parse_quoted4(p, offset) : parse_quoted6(p, offset);
	w->flags |= related ? WALK_RELATED : WALK_UNRELATED;
	return PARSE_OK;
}

/* `available`: bytes of the IP packet from `offset` on. */
static __always_inline int parse_l4(const struct packet *p, __u32 offset, __u32 available)
{
	struct walk *w = p->walk;
	__u8 icmp = w->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	struct tcphdr *tcp;
	__be16 *ports;

	if (offset > PACKET_PULL_BYTES)
		return DROP_INVALID_PACKET;
	w->l4_offset = offset;
	if (w->protocol == icmp) {
		if (available < MIN_ICMP_BYTES)
			return DROP_INVALID_PACKET;
		return parse_icmp(p, offset);
	}
	if (w->protocol == IPPROTO_TCP) {
		tcp = packet_at(p, offset, sizeof(*tcp));
		if (available < MIN_TCP_BYTES)
			return DROP_INVALID_PACKET;
		if (!tcp)
			return parse_missing(p, offset + sizeof(*tcp));
		if (tcp->doff * 4 < MIN_TCP_BYTES)
			return DROP_INVALID_PACKET;
		w->tcp_flags = ((__u8 *)tcp)[13];
		set_ports(w, tcp->source, tcp->dest);
		return PARSE_OK;
	}
	if (!has_ports(w->protocol))
		return PARSE_OK;
	if (available < (w->protocol == IPPROTO_UDP ? MIN_UDP_BYTES : MIN_SCTP_BYTES))
		return DROP_INVALID_PACKET;
	ports = packet_at(p, offset, MIN_UDP_BYTES);
	if (!ports)
		return parse_missing(p, offset + MIN_UDP_BYTES);
	set_ports(w, ports[0], ports[1]);
	return PARSE_OK;
}

#endif
