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

/* Removes the flow in an element of the ring, both directions of it. */
static __always_inline void give_way(const struct half_open *oldest)
{
	const union flow_key *key = (const union flow_key *)&oldest->key;
	__u8 family = oldest->family == 4 ? 4 : 6;
	struct flow_entry *flow = flow_at(family, key);
	struct flow_guard *guard;
	union flow_key reverse;

	if (!flow || !may_give_way(flow))
		return;
	guard = flow_guard_of(flow->owner);
	flow_key_partner(family, key, flow, &reverse);
	if (!flow_remove_pair(family, key, flow, &reverse, partner_of(family, flow, &reverse),
			      FLOW_END_GAVE_WAY))
		return;
	if (guard)
		__sync_fetch_and_add(&guard->gave_way, 1);
}

/* Puts the flow of walk->key into the ring. */
__attribute__((noinline)) int half_open_add(struct walk *w)
{
	struct config *c = the_config();
	struct half_open *element;
	__u32 index;

	if (!w || !c)
		return 0;
	index = __sync_fetch_and_add(&c->half_open_next, 1) & c->half_open_mask;
	element = bpf_map_lookup_elem(&half_open, &index);
	if (!element)
		return 0;
	if (element->family)
		give_way(element);
	__builtin_memcpy(&element->key, &w->key, sizeof(element->key));
	element->family = w->family;
	return 0;
}

#endif
