/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Source addresses on an interface that learns (trap ip-learn). They are the controller's to learn:
 * it is told, and makes routes and addresses of what it finds right.
 */
#ifndef WEIR_LEARN_ADDRESS_H
#define WEIR_LEARN_ADDRESS_H

#include "answer_arp.h"
#include "clock.h"
#include "interface.h"
#include "nexthop.h"
#include "route.h"
#include "trap.h"

/* How long an address is no news after the controller was told of it. */
#define TOLD_SECONDS 10

/* An IPv4 address that a workload may be reached at. */
static __always_inline int is_learnable4(const __u8 *address)
{
	return address[0] != 0 && address[0] != 127 && address[0] < 224 &&
	       !(address[0] == 169 && address[1] == 254);
}

/* The same of IPv6; nobody routes to what is link-local. */
static __always_inline int is_learnable6(const __u8 *address)
{
	return address[0] != 0 && address[0] != 0xff &&
	       !(address[0] == 0xfe && (address[1] & 0xc0) == 0x80);
}

static __always_inline void learn_key4(struct interface_address_key *key, const void *address)
{
	key->address[10] = 0xff;
	key->address[11] = 0xff;
	__builtin_memcpy(key->address + 12, address, 4);
}

/* Who sends: of ARP what it says, else what the IP header does. 0: nobody who could be learned. */
static __always_inline int read_sender(const struct packet *p, struct interface_address_key *key)
{
	struct walk *w = p->walk;

	if (w->ethertype == ETH_P_ARP) {
		struct arp_ipv4 *arp = packet_at(p, w->l3_offset, sizeof(*arp));

		if (!arp || !is_arp_ipv4(arp))
			return 0;
		learn_key4(key, arp->sender);
		return is_learnable4(key->address + 12);
	}
	if (w->family == 4) {
		struct iphdr *ip = packet_at(p, w->l3_offset, sizeof(*ip));

		if (!ip)
			return 0;
		learn_key4(key, &ip->saddr);
		return is_learnable4(key->address + 12);
	}
	if (w->family == 6) {
		struct ipv6hdr *ip = packet_at(p, w->l3_offset, sizeof(*ip));

		if (!ip)
			return 0;
		__builtin_memcpy(key->address, &ip->saddr, sizeof(key->address));
		return is_learnable6(key->address);
	}
	return 0;
}

/* Whether its route leads to the interface that it came from. */
static __always_inline int sender_is_routed(const struct walk *w,
					    const struct interface_address_key *sender)
{
	__u32 family = w->family == 6 ? 6 : 4;
	struct route_key key = {};
	struct route *route;
	struct nexthop *nh;

	if (family == 4)
		__builtin_memcpy(key.address, sender->address + 12, 4);
	else
		__builtin_memcpy(key.address, sender->address, 16);
	route = route_find(family, w->key.vrf, &key);
	nh = route ? nexthop_get(route->nexthop) : NULL;
	return nh && nh->type == NEXTHOP_INTERFACE && nh->interface == w->interface;
}

/* Tells the controller, whose slow path sends the packet on; CONTINUE if there is nothing to tell. */
static __always_inline int learn_address(const struct packet *p)
{
	struct walk *w = p->walk;
	struct interface *i = interface_get(w->interface);
	struct interface_address_key key = { .interface = w->interface };
	__u32 now = bpf_ktime_get_coarse_ns() / NSEC_PER_SEC;
	__u32 *told;

	if (!i || !read_sender(p, &key))
		return CONTINUE;
	told = bpf_map_lookup_elem(&told_addresses, &key);
	if (told && now - *told < TOLD_SECONDS)
		return CONTINUE;
	/* One of its own, or the gateway's, which it has no right to. */
	if (bpf_map_lookup_elem(&interface_addresses, &key) || sender_is_routed(w, &key))
		return CONTINUE;
	trace_step(p, TRACE_LEARN, TRACE_LEARNED_ADDRESS, 0, 0);
	if (tracing || !trap_admit(w->interface) ||
	    bpf_map_update_elem(&told_addresses, &key, &now, BPF_ANY))
		return CONTINUE;
	w->worker = near_worker(p, i);
	return report(p, TRAP_IP_LEARN);
}
STAGE(learn_address)

#endif
