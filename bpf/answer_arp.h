/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* ARP requests (RFC 826) answered in place. */
#ifndef WEIR_ANSWER_ARP_H
#define WEIR_ANSWER_ARP_H

#include "output.h"
#include "proxy.h"

#define ARP_HARDWARE_ETHERNET 1
#define ARP_REQUEST           1
#define ARP_REPLY             2

struct arp_ipv4 {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_length;
	__u8 protocol_length;
	__be16 operation;
	__u8 sender_mac[6];
	__u8 sender[4];
	__u8 target_mac[6];
	__u8 target[4];
} __attribute__((packed));
_Static_assert(sizeof(struct arp_ipv4) == 28, "ARP for IPv4 over Ethernet");

static __always_inline int is_arp_ipv4(const struct arp_ipv4 *arp)
{
	return arp->hardware == bpf_htons(ARP_HARDWARE_ETHERNET) &&
	       arp->protocol == bpf_htons(ETH_P_IP) && arp->hardware_length == 6 &&
	       arp->protocol_length == 4;
}

static __always_inline int answer_arp(const struct packet *p)
{
	struct walk *w = p->walk;
	struct arp_ipv4 *arp = packet_at(p, w->l3_offset, sizeof(*arp));
	struct proxy_query query = { .interface = w->interface,
				     .family = 4,
				     .vrf = w->key.vrf,
				     .tunnel = w->ingress & INGRESS_TUNNEL };
	struct ethhdr *eth;
	__u8 address[4];

	if (!arp)
		return drop(p, DROP_INVALID_PACKET);
	if (!is_arp_ipv4(arp) || arp->operation != bpf_htons(ARP_REQUEST))
		return CONTINUE;
	/* Gratuitous: an announcement, not a question (RFC 5227 section 2.3). */
	if (__builtin_memcmp(arp->sender, arp->target, sizeof(address)) == 0)
		return CONTINUE;
	query.address[10] = 0xff;
	query.address[11] = 0xff;
	__builtin_memcpy(query.address + 12, arp->target, sizeof(arp->target));
	if (!proxy_find(&query))
		return CONTINUE;
	arp = packet_at(p, w->l3_offset, sizeof(*arp));
	eth = packet_ethernet(p);
	if (!arp || !eth)
		return drop(p, DROP_INVALID_PACKET);
	arp->operation = bpf_htons(ARP_REPLY);
	__builtin_memcpy(address, arp->target, sizeof(address));
	__builtin_memcpy(arp->target, arp->sender, sizeof(address));
	__builtin_memcpy(arp->sender, address, sizeof(address));
	mac_copy(arp->target_mac, arp->sender_mac);
	mac_copy(arp->sender_mac, query.mac);
	mac_copy(eth->h_dest, eth->h_source);
	mac_copy(eth->h_source, query.mac);
	return send_answer(p);
}

#endif
