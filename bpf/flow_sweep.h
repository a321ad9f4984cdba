/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Ageing, in two phases: a pair that has been idle for too long is marked, and removed in the
 * next round if no packet has taken the mark off since. A packet that comes between the last
 * look and the removal is decided again.
 *
 * A round goes over the slots (flow_slot.h), some milliseconds at a time: each call goes on
 * where the one before it stopped. Most flows cost it a glance at the slot: one that was seen
 * in use can not be idle for too long before its time has passed again from its last packet on.
 * Only where that time became shorter since - a TCP connection ends, or the configuration
 * changes - is it looked at before.
 *
 * What a flow costs that is looked at or removed is waiting for memory: a bucket and an entry for
 * each direction, none of them near to the next.
 */
#ifndef WEIR_FLOW_SWEEP_H
#define WEIR_FLOW_SWEEP_H

#include "flow_age.h"
#include "flow_remove.h"

#define SWEEP_LOOK_AT_CLOCK 31      /* once in these many slots, and one */
#define SWEEP_MOST          1048576 /* slots of a slice; bpf_loop() has a limit */

struct sweep {
	struct flow_sweep_args args;
	struct config *config;
	__u64 now;
};

/* One slot, by which the flow is found. */
struct swept {
	__u32 slot;
	__u32 generation; /* of the entry, read before all that says whether it is idle */
	__u8 protocol;
	union flow_key key;
	struct flow_entry *other; /* of the other direction; NULL: not looked up, or none */
};

static __always_inline __u32 entries_of(__u32 state)
{
	return (state & ~SLOT_TRANSLATED) == SLOT_PAIR ? 2 : 1;
}

/* Linux 6.1 takes no map key from the memory that a function gets as an argument: a copy. */
static __always_inline int remove_swept(__u8 family, const union flow_key *key,
					struct flow_entry *flow, struct flow_entry *other,
					__u32 generation, __u64 now)
{
	union flow_key own, reverse;

	if (!key || !flow || !flow_claim_generation(flow, generation))
		return 0;
	own = *key;
	flow_key_partner(family, &own, flow, &reverse);
	return flow_remove_claimed_pair(family, &own, flow, &reverse, other, FLOW_END_IDLE, now);
}

/* Functions of their own, so that the verifier goes once through what they do. */
__attribute__((noinline)) int remove_swept4(const union flow_key *key, struct flow_entry *flow,
					    struct flow_entry *other, __u32 generation, __u64 now)
{
	return remove_swept(4, key, flow, other, generation, now);
}

__attribute__((noinline)) int remove_swept6(const union flow_key *key, struct flow_entry *flow,
					    struct flow_entry *other, __u32 generation, __u64 now)
{
	return remove_swept(6, key, flow, other, generation, now);
}

/* `other`: of the same pair, or NULL where there is only one entry. */
static __always_inline void sweep_remove(__u8 family, struct sweep *s, struct swept *at,
					 struct flow_entry *flow, struct flow_entry *other)
{
	s->args.removed += family == 4
				   ? remove_swept4(&at->key, flow, other, at->generation, s->now)
				   : remove_swept6(&at->key, flow, other, at->generation, s->now);
}

static __always_inline void sweep_hold(__u8 family, struct sweep *s, struct swept *at,
				       struct flow_entry *flow)
{
	if (!hold_is_over(s->config, flow, s->now))
		s->args.holds++;
	else
		sweep_remove(family, s, at, flow, NULL);
}

/* Whether the key of the reverse direction's entry is that of the flow, turned round. */
static __always_inline int is_turned(const union flow_key *key, const struct flow_entry *flow)
{
	return flow->action != FLOW_NAT && (!flow->reverse_vrf || flow->reverse_vrf == key->vrf);
}

/*
 * The slot's entry. Both of a pair that is likely to be removed are looked up one right after the
 * other, before either is used: the CPU waits for their memory at the same time.
 */
static __always_inline struct flow_entry *sweep_find(__u8 family, struct swept *at,
						     const struct slot_head *head)
{
	union flow_key reverse;
	struct flow_entry *flow;

	at->other = NULL;
	if (head->due != SLOT_DUE_MARKED)
		return flow_at(family, &at->key);
	flow_key_reverse(family, &at->key, 0, &reverse);
	flow = flow_at(family, &at->key);
	at->other = flow_at(family, &reverse);
	return flow;
}

/*
 * A flow that had no packet in the direction of `flow` for too long. The other direction is
 * asked before it is removed, not before it is marked.
 */
static __always_inline void sweep_idle(__u8 family, struct sweep *s, struct swept *at,
				       struct slot_head *head, struct flow_entry *flow, __u64 limit)
{
	struct flow_entry *other = at->other;
	union flow_key reverse;

	if (!(flow->flags & FLOW_FLAG_MARKED)) {
		flow->flags |= FLOW_FLAG_MARKED;
		if (is_turned(&at->key, flow))
			head->due = SLOT_DUE_MARKED;
		s->args.marked++;
		return;
	}
	if (!other || other->generation != flow->generation) {
		flow_key_partner(family, &at->key, flow, &reverse);
		other = partner_of(family, flow, &reverse);
	}
	if (other && s->now <= other->last_seen + limit) {
		head->due = other->last_seen + limit;
		flow->flags &= ~FLOW_FLAG_MARKED;
		return;
	}
	sweep_remove(family, s, at, flow, other);
}

/* The entry is gone, or names another slot. */
static __always_inline void sweep_missing(__u8 family, struct swept *at, struct slot_head *head,
					  __u32 state)
{
	head->due = 0;
	if (state == SLOT_MISSING)
		slot_free(family, at->slot);
	else
		__sync_val_compare_and_swap(&head->state, state, SLOT_MISSING);
}

static __always_inline void sweep_look(__u8 family, struct sweep *s, struct swept *at,
				       struct slot_head *head)
{
	struct flow_entry *flow = sweep_find(family, at, head);
	__u32 state = head->state;
	__u64 limit;

	s->args.looked++;
	if (flow)
		at->generation = *(volatile __u32 *)&flow->generation;
	if (!flow || flow->slot != at->slot) {
		sweep_missing(family, at, head, state);
		return;
	}
	if (state == SLOT_MISSING)
		__sync_val_compare_and_swap(&head->state, state, slot_state_of(flow));
	s->args.seen += entries_of(slot_state_of(flow));
	if (flow->action == FLOW_HOLD) {
		sweep_hold(family, s, at, flow);
		return;
	}
	limit = idle_limit(flow, at->protocol);
	if (s->now > *(volatile __u64 *)&flow->last_seen + limit) {
		sweep_idle(family, s, at, head, flow, limit);
		return;
	}
	head->due = flow->last_seen + limit;
	if (flow->flags & FLOW_FLAG_MARKED)
		flow->flags &= ~FLOW_FLAG_MARKED;
}

/* Whether a slot is to be looked at; of one that is not, only the entries count. */
static __always_inline int sweep_slot(struct sweep *s, const struct slot_head *head)
{
	__u32 state = *(const volatile __u32 *)&head->state;

	if (state == SLOT_FREE)
		return 0;
	if (s->args.all || s->now >= head->due)
		return 1;
	s->args.seen += entries_of(state);
	return 0;
}

static __always_inline int sweep_time_is_up(struct sweep *s, __u32 index)
{
	return !(index & SWEEP_LOOK_AT_CLOCK) && bpf_ktime_get_ns() - s->now > WEIR_SWEEP_SLICE_NS;
}

static long sweep_slot4(__u32 i, struct sweep *s)
{
	struct swept at = { .slot = s->args.next + 1 };
	__u32 index = s->args.next;
	struct flow_slot4 *slot = bpf_map_lookup_elem(&flow_slots4, &index);

	if (!slot || sweep_time_is_up(s, i + 1))
		return 1;
	s->args.next++;
	if (!sweep_slot(s, (struct slot_head *)slot))
		return 0;
	at.key.v4 = slot->key;
	at.protocol = at.key.v4.protocol;
	sweep_look(4, s, &at, (struct slot_head *)slot);
	return 0;
}

static long sweep_slot6(__u32 i, struct sweep *s)
{
	struct swept at = { .slot = s->args.next + 1 };
	__u32 index = s->args.next;
	struct flow_slot6 *slot = bpf_map_lookup_elem(&flow_slots6, &index);

	if (!slot || sweep_time_is_up(s, i + 1))
		return 1;
	s->args.next++;
	if (!sweep_slot(s, (struct slot_head *)slot))
		return 0;
	at.key.v6 = slot->key;
	at.protocol = at.key.v6.protocol;
	sweep_look(6, s, &at, (struct slot_head *)slot);
	return 0;
}

static __always_inline int flow_sweep(struct flow_sweep_args *args)
{
	struct sweep s = { .args = *args, .config = the_config(), .now = bpf_ktime_get_ns() };
	struct flow_slot_pool *pool = slot_pool(args->family);
	__u32 begun, count;

	if (!s.config || !pool || (args->family != 4 && args->family != 6))
		return -1;
	begun = pool->begun;
	count = begun > s.args.next ? begun - s.args.next : 0;
	if (count > SWEEP_MOST)
		count = SWEEP_MOST;
	if (args->family == 4)
		bpf_loop(count, sweep_slot4, &s, 0);
	else
		bpf_loop(count, sweep_slot6, &s, 0);
	s.args.done = s.args.next >= begun;
	*args = s.args;
	return 0;
}

#endif
