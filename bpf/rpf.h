/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reverse-path check (RFC 3704): would packets to the source go back where this one came from? */
#ifndef WEIR_RPF_H
#define WEIR_RPF_H

#include "reverse.h"

/* From the packet: the key of an ICMP error has another source. */
static __always_inline struct route *route_back(const struct packet *p)
{
	struct walk *w = p->walk;
	struct route_key key = {};

	if (w->family == 4) {
		struct iphdr *ip = packet_at(p, w->l3_offset, sizeof(*ip));

		if (!ip)
			return NULL;
		__builtin_memcpy(key.address, &ip->saddr, 4);
	} else {
		struct ipv6hdr *ip = packet_at(p, w->l3_offset, sizeof(*ip));

		if (!ip)
			return NULL;
		__builtin_memcpy(key.address, &ip->saddr, 16);
	}
	return route_find(w->family, w->key.vrf, &key);
}

/* CONTINUE, or the verdict for a packet that came by a wrong way. */
static __always_inline int check_reverse_path(const struct packet *p)
{
	struct walk *w = p->walk;
	struct interface *i = interface_get(w->interface);
	struct route *route = route_back(p);
	struct nexthop *nh = route ? nexthop_get(route->nexthop) : NULL;

	if (!i || !nh || nh->type == NEXTHOP_DISCARD)
		return drop(p, DROP_RPF);
	if (!(i->flags & INTERFACE_RPF_STRICT))
		return CONTINUE;
	w->reverse_nexthop = route->nexthop;
	follow_back(w);
	return leads_back(w) ? CONTINUE : drop(p, DROP_RPF);
}
STAGE(check_reverse_path)

#endif
