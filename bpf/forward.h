/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Carries out what the next hop says: rewrite and send, deliver, drop or ask for it. */
#ifndef WEIR_FORWARD_H
#define WEIR_FORWARD_H

#include "flood.h"
#include "mss.h"

/* Out of a device. `routed` 0: bridged, or sent as it is. */
static __always_inline int forward_interface(const struct packet *p, const struct nexthop *nh,
					     int routed)
{
	struct walk *w = p->walk;

	w->out_interface = nh->interface;
	if (nh->flags & (NEXTHOP_FLAG_DOWN | NEXTHOP_FLAG_HOST)) {
		if (nh->flags & NEXTHOP_FLAG_DOWN)
			return drop(p, DROP_NO_NEXTHOP);
		w->flags |= WALK_KEEP_TTL;
	}
	if (routed && (nh->flags & NEXTHOP_FLAG_RESOLVE))
		return trap(p, TRAP_RESOLVE);
	if (is_too_big(p, nh->mtu))
		return routed ? refuse_length(p) : drop(p, DROP_PACKET_TOO_BIG);
	if (routed && rewrite(p, nh))
		return drop(p, DROP_INVALID_PACKET);
	if (routed)
		trace_rewrite(p);
	return transmit(p, nh->flags & NEXTHOP_FLAG_PEER);
}

static __always_inline int discard(const struct packet *p)
{
	count_kind(p->walk, VRF_KIND_DISCARD);
	return drop(p, DROP_DISCARD);
}

/* Sends the packet to walk->nexthop. */
static __always_inline int forward(const struct packet *p)
{
	struct walk *w = p->walk;
	struct nexthop *nh = nexthop_get(w->nexthop);

	if (!nh)
		return drop(p, DROP_NO_NEXTHOP);
	trace_step(p, TRACE_NEXTHOP, nh->type, 0, 0);
	if (is_syn(w))
		call_clamp_mss(p);
	switch (nh->type) {
	case NEXTHOP_INTERFACE:
		count_kind(w, w->flags & WALK_ROUTED ? VRF_KIND_INTERFACE : VRF_KIND_BRIDGED);
		return forward_interface(p, nh, w->flags & WALK_ROUTED);
	case NEXTHOP_TUNNEL:
		return call_encapsulate(p);
	case NEXTHOP_FLOOD:
		return call_flood(p);
	case NEXTHOP_LOCAL:
		count_kind(w, VRF_KIND_LOCAL);
		return deliver(p);
	case NEXTHOP_DISCARD:
		return discard(p);
	case NEXTHOP_RESOLVE:
		count_kind(w, VRF_KIND_RESOLVE);
		return trap(p, TRAP_RESOLVE);
	case NEXTHOP_TRAP:
		count_kind(w, VRF_KIND_TRAP);
		return trap(p, TRAP_USER);
	default:
		return drop(p, DROP_NO_NEXTHOP);
	}
}

#endif
