/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Who replaces an entry or removes it has to claim it first: with several at it at once, each entry
 * goes once, and its flow is counted down once. Packets hit a claimed entry like any other.
 *
 * The pointer to an entry may be that of another flow by the time it is used, since the kernel
 * gives the memory of a removed one away at once. Only what the key leads to when it is claimed
 * is what was claimed. Keys are on the caller's own stack here, or in a map.
 */
#ifndef WEIR_FLOW_REMOVE_H
#define WEIR_FLOW_REMOVE_H

#include "flow_end.h"
#include "flow_guard.h"
#include "flow_slot.h"

static __always_inline void flow_unclaim(struct flow_entry *flow)
{
	__sync_fetch_and_and(&flow->trapped, ~FLOW_CLAIMED);
}

/* `flow`: what flow_at(key) returned. 0: another has it, or it is gone. */
static __always_inline int flow_claim(__u8 family, const union flow_key *key,
				      struct flow_entry *flow)
{
	if (__sync_fetch_and_or(&flow->trapped, FLOW_CLAIMED) & FLOW_CLAIMED)
		return 0;
	if (flow_at(family, key) == flow)
		return 1;
	flow_unclaim(flow);
	return 0;
}

/*
 * The same, without a look at the key, for who knows that `generation` is that of the entry at it:
 * because the other entry of the pair is claimed, or from before the entry was seen to have been
 * idle for long. It comes into the memory of an entry as one word with `trapped`.
 */
static __always_inline int flow_claim_generation(struct flow_entry *flow, __u32 generation)
{
	if (__sync_fetch_and_or(&flow->trapped, FLOW_CLAIMED) & FLOW_CLAIMED)
		return 0;
	if (*(volatile __u32 *)&flow->generation == generation)
		return 1;
	flow_unclaim(flow);
	return 0;
}

static __always_inline long flow_delete(__u8 family, const union flow_key *key)
{
	long error;

	if (family == 4) {
		error = bpf_map_delete_elem(&flows4, &key->v4);
		NOT_MERGED(error, 4);
	} else {
		error = bpf_map_delete_elem(&flows6, &key->v6);
		NOT_MERGED(error, 6);
	}
	return error;
}

/* Removes an entry of which flow_claim() said 1. */
static __always_inline int flow_remove_claimed(__u8 family, const union flow_key *key,
					       struct flow_entry *flow)
{
	__u32 owner = flow->owner;
	__u32 slot = flow->slot;

	if (flow_delete(family, key)) {
		flow_unclaim(flow);
		return 0;
	}
	flow_uncount(owner);
	if (slot)
		slot_free(family, slot);
	return 1;
}

/* Entries removed: 1, or 0 where another does it. */
static __always_inline int flow_remove(__u8 family, const union flow_key *key,
				       struct flow_entry *flow)
{
	return flow_claim(family, key, flow) && flow_remove_claimed(family, key, flow);
}

/*
 * A pair ends, of which `flow` is claimed. `other`: the entry of the other direction, at `reverse`,
 * or NULL; `now`: as of flow_end_tell(). Entries removed.
 */
static __always_inline int flow_remove_claimed_pair(__u8 family, const union flow_key *key,
						    struct flow_entry *flow,
						    const union flow_key *reverse,
						    struct flow_entry *other, __u32 reason,
						    __u64 now)
{
	int removed;

	if (other && !flow_claim_generation(other, flow->generation))
		other = NULL;
	flow_end_tell(key, flow, other, FLOW_END(family, reason), now);
	removed = flow_remove_claimed(family, key, flow);
	if (other)
		removed += flow_remove_claimed(family, reverse, other);
	return removed;
}

/* The same of one that is not claimed; 0 where another removes it. */
static __always_inline int flow_remove_pair(__u8 family, const union flow_key *key,
					    struct flow_entry *flow, const union flow_key *reverse,
					    struct flow_entry *other, __u32 reason)
{
	if (!flow_claim(family, key, flow))
		return 0;
	return flow_remove_claimed_pair(family, key, flow, reverse, other, reason, 0);
}

/* Removes the entry of one generation, if it is there. */
static __always_inline void flow_remove_generation(__u8 family, const union flow_key *key,
						   __u32 generation)
{
	struct flow_entry *flow = flow_at(family, key);

	if (flow && flow->generation == generation)
		flow_remove(family, key, flow);
}

#endif
