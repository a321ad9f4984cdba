/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A packet that comes from a device, up to its walk. */
#ifndef WEIR_RECEIVE_H
#define WEIR_RECEIVE_H

#include "pipeline.h"

/* It has just come from its device, malformed or not: CONTINUE, or the packet's verdict. */
static __always_inline int arrive(const struct packet *p, const struct interface *i)
{
	if (is_mirrored_received(p, i)) {
		/* XDP cannot copy it: all is for TC, which counts it too. */
		if (p->hook == HOOK_XDP) {
			trace_step(p, TRACE_HAND_OVER, 0, 0, 0);
			return XDP_PASS;
		}
		mirror_packet(p, i->mirror_received, p->walk->interface);
	}
	count_received(p->walk);
	return CONTINUE;
}

/* A packet from a device: which interface is it? */
static __always_inline int receive(const struct packet *p)
{
	int reason = parse_packet(p);
	struct interface *i = interface_find(p);
	int verdict;

	/* What XDP has changed may have another VLAN tag now, or none. */
	if (p->hook == HOOK_TC && (!i || (i->flags & (INTERFACE_XDP | INTERFACE_HOST)))) {
		verdict = call_take_over(p);
		if (verdict != CONTINUE)
			return verdict;
		i = interface_get(p->walk->interface);
	}
	if (!i)
		return drop(p, DROP_UNKNOWN_INTERFACE);
	trace_step(p, TRACE_INTERFACE, p->walk->vlan, 0, 0);
	if (!(p->walk->flags & WALK_DECAPSULATED)) {
		verdict = arrive(p, i);
		if (verdict != CONTINUE)
			return verdict;
	}
	if (reason)
		return drop(p, reason);
	return walk(p, i);
}

#endif
