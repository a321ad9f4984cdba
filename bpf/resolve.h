/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* From the next hop of a route to the one that says what to do: through vrf and ecmp. */
#ifndef WEIR_RESOLVE_H
#define WEIR_RESOLVE_H

#include "ecmp.h"
#include "fdb.h"
#include "route.h"
#include "trap.h"

#define MAX_RESOLUTIONS 4 /* vrf and ecmp next hops on the way */

static __always_inline __u32 label_of(__u32 label, __u32 flags)
{
	if (flags & ROUTE_LABEL)
		return LABEL_IS_MPLS | (label & LABEL_MASK);
	return flags & ROUTE_VNI ? LABEL_IS_VNI | (label & LABEL_MASK) : 0;
}

/* Whether the next hop leads to another next hop. */
static __always_inline int is_indirect(const struct nexthop *nh)
{
	return nh->type == NEXTHOP_VRF || nh->type == NEXTHOP_ECMP;
}

/* Route or bridge entry of the destination in another VRF: CONTINUE, or the verdict. */
static __always_inline int translate(const struct packet *p, __u32 vrf)
{
	struct walk *w = p->walk;
	struct fdb_entry *entry;
	struct ethhdr *eth;
	struct route *route;

	trace_step(p, TRACE_VRF, vrf, w->nexthop, 0);
	w->route_vrf = vrf;
	if (w->flags & WALK_ROUTED) {
		/* By a label into a VRF: routed there, which costs a hop. */
		w->flags &= ~(WALK_KEEP_TTL | WALK_LABEL);
		route = route_to_destination(w);
		if (!route) {
			trace_step(p, TRACE_ROUTE, 0, 0, 0);
			return drop_and_trap(p, DROP_NO_ROUTE, TRAP_NO_ROUTE);
		}
		w->nexthop = route->nexthop;
		w->label = label_of(route->label, route->flags);
		trace_step(p, TRACE_ROUTE, 1, w->nexthop, w->label);
		return CONTINUE;
	}
	eth = packet_ethernet(p);
	entry = eth ? bridge_find(vrf, eth->h_dest) : NULL;
	if (!entry)
		return drop(p, DROP_UNKNOWN_UNICAST);
	w->nexthop = entry->nexthop;
	w->label = label_of(entry->label, entry->flags);
	w->trap_flags |= TRAP_FLAG_BRIDGED;
	trace_step(p, TRACE_BRIDGE, 1, w->nexthop, w->label);
	return CONTINUE;
}

/* XDP waits with it until it is known whether the packet is for TC, which does all this again. */
static __always_inline void count_way(const struct packet *p, __u32 *way, __u32 kind)
{
	if (p->hook == HOOK_XDP)
		*way = kind_index(p->walk, kind);
	else
		count_kind(p->walk, kind);
}

/* What resolve() does; `ways`: what is to be counted of it yet. */
static __always_inline int resolve_by(const struct packet *p, __u32 *ways)
{
	struct walk *w = p->walk;
	int verdict;
	__u32 i, id;

	for (i = 0; i < MAX_RESOLUTIONS; i++) {
		struct nexthop *nh = nexthop_get(w->nexthop);
		struct member *m;

		if (!nh)
			return drop(p, DROP_NO_NEXTHOP);
		if (nh->type == NEXTHOP_ECMP) {
			count_way(p, &ways[i], VRF_KIND_ECMP);
			m = ecmp_choose(nh, p);
			if (!m)
				return drop(p, DROP_NO_NEXTHOP);
			id = w->nexthop;
			w->nexthop = m->nexthop;
			if (m->flags & (ROUTE_LABEL | ROUTE_VNI))
				w->label = label_of(m->label, m->flags);
			trace_step(p, TRACE_ECMP, 0, id, 0);
		} else if (nh->type == NEXTHOP_VRF) {
			count_way(p, &ways[i], VRF_KIND_VRF);
			verdict = translate(p, nh->vrf);
			if (verdict != CONTINUE)
				return verdict;
		} else {
			return CONTINUE;
		}
	}
	return drop(p, DROP_LOOP);
}

/* Sets walk->nexthop and label to what an indirect next hop leads to: CONTINUE, or the verdict. */
static __always_inline int resolve(const struct packet *p)
{
	__u32 ways[MAX_RESOLUTIONS] = {};
	int verdict = resolve_by(p, ways);
	struct nexthop *nh = nexthop_get(p->walk->nexthop);
	__u32 i;

	if (p->hook == HOOK_TC || (verdict == CONTINUE && nh && nh->type == NEXTHOP_FLOOD))
		return verdict;
	for (i = 0; i < MAX_RESOLUTIONS; i++) {
		if (ways[i])
			count_kind_at(p->walk, ways[i]);
	}
	return verdict;
}
STAGE(resolve)

#endif
