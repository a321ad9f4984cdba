/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How many flows an interface may make, and how many it has. A flow is counted once, for the
 * interface whose packet made it, from its hold entry on until the entry that names that
 * interface (flow_entry.owner) goes. Flows that the controller sets without a packet are nobody's.
 */
#ifndef WEIR_FLOW_GUARD_H
#define WEIR_FLOW_GUARD_H

#include "token_bucket.h"

static __always_inline struct flow_guard *flow_guard_of(__u32 interface)
{
	return bpf_map_lookup_elem(&flow_guards, &interface);
}

/* One flow of `owner` is gone. */
static __always_inline void flow_uncount(__u32 owner)
{
	struct flow_guard *guard = owner ? flow_guard_of(owner) : NULL;

	if (guard)
		__sync_fetch_and_add(&guard->flows, -1);
}

/* Counts a flow that `interface` is about to make; 0: it may not. Traces count nothing. */
static __always_inline int flow_admit(__u32 interface)
{
	struct flow_guard *guard = flow_guard_of(interface);
	__u32 flows, limit;

	if (!guard)
		return 0;
	limit = guard->limit;
	flows = tracing ? guard->flows : __sync_fetch_and_add(&guard->flows, 1);
	if (limit && flows >= limit) {
		if (!tracing) {
			__sync_fetch_and_add(&guard->flows, -1);
			__sync_fetch_and_add(&guard->over_limit, 1);
		}
		return 0;
	}
	if (!guard->cost || bucket_take(&guard->time, guard->burst, guard->cost, guard->cost))
		return 1;
	if (!tracing) {
		__sync_fetch_and_add(&guard->flows, -1);
		__sync_fetch_and_add(&guard->over_rate, 1);
	}
	return 0;
}

#endif
