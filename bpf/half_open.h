/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The SYN guard: TCP flows stand in a ring, in the order in which they were made. It has room for
 * as many as may take half of the flow table; when it comes round, the oldest one gives way if its
 * handshake has not ended, or if it was reset. So a flood of SYNs, answered or not, fills no more
 * than that, and costs nobody a connection that is established, or is being established then.
 */
#ifndef WEIR_HALF_OPEN_H
#define WEIR_HALF_OPEN_H

#include "flow_age.h"
#include "flow_remove.h"

/* Not decided, not established, or over. */
static __always_inline int may_give_way(const struct flow_entry *flow)
{
	return flow->action == FLOW_HOLD || flow->state == FLOW_STATE_NEW ||
	       flow->state == FLOW_STATE_CLOSED;
}

/* Elements that are looked at for one whose flow nobody else is at just then. */
#define HALF_OPEN_TRIES 4

/*
 * Has the flow in an element of the ring give way, both directions of it. 1: the element is free.
 * 0: another program is about to replace or remove the flow; if it stays, it stays in the ring.
 */
__attribute__((noinline)) int half_open_give_way(__u32 index)
{
	struct half_open *oldest = bpf_map_lookup_elem(&half_open, &index);
	const union flow_key *key;
	struct flow_guard *guard;
	struct flow_entry *flow;
	union flow_key reverse;
	__u8 family;

	if (!oldest || !oldest->family)
		return 1;
	key = (const union flow_key *)&oldest->key;
	family = oldest->family == 4 ? 4 : 6;
	flow = flow_at(family, key);
	if (!flow || !may_give_way(flow))
		return 1;
	guard = flow_guard_of(flow->owner);
	flow_key_partner(family, key, flow, &reverse);
	if (!flow_remove_pair(family, key, flow, &reverse, partner_of(family, flow, &reverse),
			      FLOW_END_GAVE_WAY))
		return 0;
	if (guard)
		__sync_fetch_and_add(&guard->gave_way, 1);
	return 1;
}

/* Puts the flow of walk->key into the ring. */
__attribute__((noinline)) int half_open_add(struct walk *w)
{
	struct config *c = the_config();
	struct half_open *element;
	__u32 index, tries;

	if (!w || !c)
		return 0;
	for (tries = 0; tries < HALF_OPEN_TRIES; tries++) {
		index = __sync_fetch_and_add(&c->half_open_next, 1) & c->half_open_mask;
		if (half_open_give_way(index))
			break;
	}
	element = bpf_map_lookup_elem(&half_open, &index);
	if (!element)
		return 0;
	__builtin_memcpy(&element->key, &w->key, sizeof(element->key));
	element->family = w->family;
	return 0;
}

#endif
