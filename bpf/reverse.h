/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where the answers to a packet go: the way that it came, if a route to its source leads
 * there too.
 */
#ifndef WEIR_REVERSE_H
#define WEIR_REVERSE_H

#include "resolve.h"

/* Next hop id that leads back to where the packet came from; 0: nothing known. */
static __always_inline __u32 way_back(const struct walk *w)
{
	struct interface *i;

	if (w->ingress & INGRESS_UNKNOWN)
		return 0;
	if (w->ingress & INGRESS_TUNNEL)
		return w->ingress & INGRESS_ID;
	i = interface_get(w->interface);
	return i ? i->nexthop : 0;
}

/* The bucket that leads to next hop `back`, else what the flow's hash chooses. */
static __always_inline struct member *ecmp_choose_back(const struct nexthop *ecmp,
						       const struct walk *w, __u32 back)
{
	__u32 first = ecmp->members_first;
	__u32 count = ecmp->members_count;
	int index = back ? find_bucket(first, count, back) : -1;

	if (index < 0)
		index = choose_bucket(first, count, hash_flow(w, ecmp_fields(ecmp)));
	return member_at(index);
}

/* What follow_back_once() returns. */
enum back_step {
	BACK_ARRIVED,  /* reverse_nexthop leads there by itself */
	BACK_FOLLOWED, /* it is the next hop behind it now */
	BACK_NOWHERE,
};

/* One step of follow_back(). */
__attribute__((noinline)) int follow_back_once(struct walk *w, __u32 back)
{
	struct nexthop *nh;
	struct route *route;
	struct member *m;

	if (!w)
		return BACK_NOWHERE;
	nh = nexthop_get(w->reverse_nexthop);
	if (!nh || !is_indirect(nh))
		return BACK_ARRIVED;
	if (nh->type == NEXTHOP_VRF) {
		route = route_to_source(w, nh->vrf);
		if (!route)
			return BACK_NOWHERE;
		w->reverse_nexthop = route->nexthop;
		w->reverse_label = label_of(route->label, route->flags);
		return BACK_FOLLOWED;
	}
	m = ecmp_choose_back(nh, w, back);
	if (!m)
		return BACK_NOWHERE;
	w->reverse_nexthop = m->nexthop;
	if (m->flags & (ROUTE_LABEL | ROUTE_VNI))
		w->reverse_label = label_of(m->label, m->flags);
	return BACK_FOLLOWED;
}

/*
 * From walk->reverse_nexthop to the next hop that it leads to; 0 if there is none. `back`: where it
 * leads if there is a choice.
 */
static __always_inline void follow_back_to(struct walk *w, __u32 back)
{
	__u32 n;

	for (n = 0; n < MAX_RESOLUTIONS; n++) {
		int step = follow_back_once(w, back);

		if (step == BACK_ARRIVED)
			return;
		if (step == BACK_NOWHERE)
			break;
	}
	w->reverse_nexthop = 0;
}

static __always_inline void follow_back(struct walk *w)
{
	follow_back_to(w, way_back(w));
}

/* Whether walk->reverse_nexthop leads to where the packet came from. */
static __always_inline int leads_back(const struct walk *w)
{
	struct nexthop *nh = nexthop_get(w->reverse_nexthop);

	if (w->ingress & INGRESS_TUNNEL)
		return nh && w->reverse_nexthop == way_back(w);
	return nh && nh->type == NEXTHOP_INTERFACE && nh->interface == w->interface;
}

/* Sets walk->reverse_nexthop and reverse_label. A default route leads to no workload. */
static __always_inline void find_reverse(struct walk *w)
{
	struct route *route = route_to_source(w, w->key.vrf);

	w->reverse_nexthop = way_back(w);
	if (!route || (!(w->ingress & INGRESS_TUNNEL) && (route->flags & ROUTE_DEFAULT)))
		return;
	w->reverse_nexthop = route->nexthop;
	w->reverse_label = label_of(route->label, route->flags);
	follow_back(w);
}

#endif
