/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Whether a workload sends from its own addresses and MAC. */
#ifndef WEIR_SOURCE_CHECK_H
#define WEIR_SOURCE_CHECK_H

#include "answer_arp.h"
#include "interface.h"
#include "parse.h"

/* Unknown on the interface, but link-local: nobody routes to it, so it may be used. */
static __always_inline int is_link_local4(__be32 address)
{
	return (address & bpf_htonl(0xffff0000)) == bpf_htonl(0xa9fe0000);
}

static __always_inline int source_is_own(const struct packet *p, const struct interface *i)
{
	struct walk *w = p->walk;
	struct ethhdr *eth = packet_ethernet(p);
	__u32 flags;

	if (!eth || (!mac_is_zero(i->mac) && !mac_equal(i->mac, eth->h_source)))
		return 0;
	/* From the packet: the key of an ICMP error has another source. */
	if (w->family == 4) {
		struct iphdr *ip = packet_at(p, w->l3_offset, sizeof(*ip));

		if (!ip)
			return 0;
		if (ip->saddr == i->address4 && ip->saddr)
			return 1;
		flags = address4_flags(w->interface, ip->saddr);
		if (flags)
			return flags & ADDRESS_OWN;
		ip = packet_at(p, w->l3_offset, sizeof(*ip));
		return ip && is_link_local4(ip->saddr);
	}
	if (w->family == 6) {
		struct ipv6hdr *ip = packet_at(p, w->l3_offset, sizeof(*ip));
		__u8 address[16];

		if (!ip)
			return 0;
		__builtin_memcpy(address, &ip->saddr, sizeof(address));
		if (address6_equal(address, i->address6) && !address6_is_zero(address))
			return 1;
		flags = address_flags(w->interface, address);
		if (flags)
			return flags & ADDRESS_OWN;
		return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
	}
	return 1;
}

/* An address may be unspecified as long as its owner is not sure of it (RFC 4862, RFC 5227). */
static __always_inline int source_is_unspecified(const struct walk *w)
{
	return w->family == 4 ? !w->key.v4.source : address6_is_zero(w->key.v6.source);
}

/* Whether ARP that is to be bridged claims an own address for the own MAC, or none (a probe). */
static __always_inline int arp_sender_is_own(const struct packet *p, const struct interface *i)
{
	struct walk *w = p->walk;
	struct arp_ipv4 *arp = packet_at(p, w->l3_offset, sizeof(*arp));
	__be32 sender;
	__u32 flags;

	if (!arp || !is_arp_ipv4(arp))
		return 0;
	if (!mac_is_zero(i->mac) && !mac_equal(i->mac, arp->sender_mac))
		return 0;
	__builtin_memcpy(&sender, arp->sender, sizeof(sender));
	if (!sender || sender == i->address4)
		return 1;
	flags = address4_flags(w->interface, sender);
	return flags ? flags & ADDRESS_OWN : is_link_local4(sender);
}

#endif
