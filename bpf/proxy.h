/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which addresses Weir answers ARP and neighbour solicitations for, and with which MAC. */
#ifndef WEIR_PROXY_H
#define WEIR_PROXY_H

#include "interface.h"
#include "nexthop.h"
#include "route.h"

struct proxy_query {
	__u8 address[16]; /* in; IPv4: mapped */
	__u32 interface;  /* in: that asks */
	__u32 family;     /* in: 4 or 6 */
	__u32 vrf;        /* in: of the question */
	__u32 tunnel;     /* in: not 0: it came out of a tunnel */
	__u8 mac[6];      /* out: to answer with */
	__u8 gateway;     /* out: the address is a gateway's */
	__u8 reserved;
};

/*
 * Whether to answer for q->address: gateways always; never the asker's own addresses, nor
 * what lies behind the asker; else what has a route other than a default route.
 */
__attribute__((noinline)) int proxy_find(struct proxy_query *q)
{
	struct route_key key = {};
	struct interface *i;
	struct route *route;
	struct nexthop *nh;
	__u32 flags;

	if (!q)
		return 0;
	i = interface_get(q->interface);
	if (!i)
		return 0;
	mac_copy(q->mac, i->gateway_mac);
	flags = q->tunnel ? 0 : address_flags(q->interface, q->address);
	if (flags & ADDRESS_OWN)
		return 0;
	if (flags & ADDRESS_GATEWAY) {
		q->gateway = 1;
		return 1;
	}
	if (!q->tunnel && !(i->flags & INTERFACE_PROXY_ARP))
		return 0;
	if (q->family == 4)
		__builtin_memcpy(key.address, q->address + 12, 4);
	else
		__builtin_memcpy(key.address, q->address, 16);
	route = route_find(q->family, q->vrf, &key);
	if (!route || (route->flags & ROUTE_DEFAULT))
		return 0;
	nh = nexthop_get(route->nexthop);
	if (!nh || nh->type == NEXTHOP_DISCARD)
		return 0;
	if (nh->type != NEXTHOP_INTERFACE)
		return !q->tunnel;
	if (nh->interface == q->interface)
		return 0;
	/* Stitched: a MAC that the bridge knows is given as it is, and reached without routing. */
	if (!mac_is_zero(nh->destination_mac) && fdb_find(q->vrf, nh->destination_mac)) {
		mac_copy(q->mac, nh->destination_mac);
		return 1;
	}
	/* To another node only what is at home here, by its own MAC. */
	return !q->tunnel;
}

#endif
