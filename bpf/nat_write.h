/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Writes other addresses and ports into a header, and says by how much its sum has changed:
 * a difference is a sum of ~old + new in the packet's byte order, not folded (RFC 1624).
 */
#ifndef WEIR_NAT_WRITE_H
#define WEIR_NAT_WRITE_H

#include "parse_l4.h"
#include "udp_checksum.h"

#define TCP_CHECKSUM_AT  16
#define UDP_CHECKSUM_AT  6
#define ICMP_CHECKSUM_AT 2
#define SCTP_CHECKSUM_AT 8

#define ADDRESS6_WORDS 4

static __always_inline __u64 change32(__u32 from, __u32 to)
{
	return (__u64)(__u32)~from + to;
}

static __always_inline __u64 change16(__u16 from, __u16 to)
{
	return (__u64)(__u16)~from + to;
}

static __always_inline void checksum_change(__be16 *check, __u64 difference)
{
	*check = ~fold_sum((__u16) ~*check + difference);
}

/* Where the Internet checksum of an upper layer is; 0: it has none. */
static __always_inline __u32 checksum_offset(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return TCP_CHECKSUM_AT;
	case IPPROTO_UDP:
		return UDP_CHECKSUM_AT;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return ICMP_CHECKSUM_AT;
	default:
		return 0;
	}
}

/*
 * Of the IP header at `at`, with its own checksum; IPv4: mapped. `source` NULL: that stays.
 * `difference`: what a pseudo header changes by. 0, or -1 if the header is not there.
 */
static __always_inline int write_addresses(const struct packet *p, __u32 at, const __u8 *source,
					   const __u8 *destination, __u64 *difference)
{
	__u32 i;

	*difference = 0;
	if (p->walk->family == 4) {
		struct iphdr *ip = packet_at(p, at, sizeof(*ip));
		const __be32 *from = (const __be32 *)source + 3;
		const __be32 *to = (const __be32 *)destination + 3;

		if (!ip)
			return -1;
		*difference = change32(ip->daddr, *to);
		ip->daddr = *to;
		if (source) {
			*difference += change32(ip->saddr, *from);
			ip->saddr = *from;
		}
		checksum_change(&ip->check, *difference);
	} else {
		struct ipv6hdr *ip = packet_at(p, at, sizeof(*ip));
		const __u32 *from = (const __u32 *)source, *to = (const __u32 *)destination;

		if (!ip)
			return -1;
		for (i = 0; i < ADDRESS6_WORDS; i++) {
			*difference += change32(ip->daddr.in6_u.u6_addr32[i], to[i]);
			ip->daddr.in6_u.u6_addr32[i] = to[i];
		}
		for (i = 0; source && i < ADDRESS6_WORDS; i++) {
			*difference += change32(ip->saddr.in6_u.u6_addr32[i], from[i]);
			ip->saddr.in6_u.u6_addr32[i] = from[i];
		}
	}
	return 0;
}

/* Of the TCP, UDP or SCTP header at `at`, which has been read before. */
static __always_inline __u64 write_ports(const struct packet *p, __u32 at, __be16 source,
					 __be16 destination)
{
	__be16 *ports = packet_at(p, at, 2 * sizeof(*ports));
	__u64 difference;

	if (!ports)
		return 0;
	difference = change16(ports[0], source) + change16(ports[1], destination);
	ports[0] = source;
	ports[1] = destination;
	return difference;
}

/* Of the ICMP message at `at`, which has been read before, if it is an echo. */
static __always_inline __u64 write_identifier(const struct packet *p, __u32 at, __be16 identifier)
{
	struct icmp_header *icmp = packet_at(p, at, sizeof(*icmp));
	__u64 difference;

	if (!icmp || !is_echo(p->walk->family, icmp->type))
		return 0;
	difference = change16(icmp->identifier, identifier);
	icmp->identifier = identifier;
	return difference;
}

#endif
