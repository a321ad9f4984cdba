/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The way of a translated flow when routes change, or where they led is down: that of what its packets
 * become. It is looked for before they do, since they may have to be dropped as they came. The
 * translation, and what is known of the flow, stay.
 */
#ifndef WEIR_NAT_MOVE_H
#define WEIR_NAT_MOVE_H

#include "flow_move.h"

/* The route of what the packet becomes, by the walk's source: NULL if there is none. */
static __always_inline struct route *route_to_new(struct walk *w, const struct flow_entry *flow)
{
	__u32 vrf = flow->flags & FLOW_FLAG_REVERSE ? flow->reverse_vrf : 0;

	return route_to_source(w, vrf ? vrf : w->key.vrf);
}

/* Sets walk->reverse_nexthop and reverse_label to where the packet goes once it is translated. */
static __always_inline void find_new_way(struct walk *w, const struct flow_entry *flow)
{
	struct nexthop *nh = nexthop_get(flow->nexthop);
	/* Of several members it stays with its own, as long as that lives. */
	__u32 own = nh && !(nh->flags & NEXTHOP_FLAG_DOWN) ? flow->nexthop : 0;
	struct route *route;
	__u8 source[16];

	/* What looks for the way to a source is lent the new destination in its place. */
	if (w->family == 4) {
		__builtin_memcpy(source, &w->key.v4.source, 4);
		__builtin_memcpy(&w->key.v4.source, flow->new_destination + 12, 4);
	} else {
		__builtin_memcpy(source, w->key.v6.source, 16);
		__builtin_memcpy(w->key.v6.source, flow->new_destination, 16);
	}
	route = route_to_new(w, flow);
	w->reverse_nexthop = route ? route->nexthop : 0;
	w->reverse_label = route ? label_of(route->label, route->flags) : 0;
	if (route)
		follow_back_to(w, own);
	if (w->family == 4)
		__builtin_memcpy(&w->key.v4.source, source, 4);
	else
		__builtin_memcpy(w->key.v6.source, source, 16);
}

/*
 * FORWARD: walk->nexthop is where the packet goes; CONTINUE: its flow is to be decided anew, between
 * other policies; else the packet's verdict.
 */
static __always_inline int nat_move(const struct packet *p)
{
	struct walk *w = p->walk;
	struct flow_entry *flow = flow_find(w->family, &w->key);
	struct flow_entry *other;
	struct nexthop *nh;
	__u32 reroute;

	if (!flow || flow->action != FLOW_NAT)
		return drop(p, DROP_NO_NEXTHOP);
	reroute = flow->reroute;
	find_new_way(w, flow);
	if (!w->reverse_nexthop)
		return drop(p, DROP_NO_ROUTE);
	nh = nexthop_get(w->reverse_nexthop);
	if (!nh || (nh->flags & NEXTHOP_FLAG_DOWN))
		return drop(p, DROP_NO_NEXTHOP);
	w->nexthop = w->reverse_nexthop;
	w->label = w->reverse_label;
	w->out_interface = nh->interface;
	other = flow_partner(w, flow);
	if (!policy_is_same(other ? other->ingress : 0, w->out_interface)) {
		w->flags &= ~WALK_NAT;
		return flow->flags & FLOW_FLAG_REVERSE ? drop(p, DROP_POLICY_DENY) : CONTINUE;
	}
	if (!tracing && !(w->flags & WALK_RELATED) && !(flow->flags & FLOW_FLAG_CHOSEN))
		entry_lead(w, flow, other, reroute);
	return FORWARD;
}
STAGE(nat_move)

#endif
