/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The flows in an order that can be walked in slices: each hold and each pair has a slot in an
 * array, with its key and when it is due to be looked at. The kernel's own walk over a hash map
 * (bpf_for_each_map_elem) can be neither left nor resumed, and a map iterator reads a million
 * empty buckets in one go, 12 ms long.
 *
 * A slot belongs to the entry of its key that names it, and is freed with it. Who frees it is
 * who changes its state. A slot that nobody's entry names - the entry went by another way, or
 * its key belongs to another flow by now - is freed by the second sweep that finds it so.
 *
 * Free slots are a list of their own (a stack without a lock: its head has a count of changes,
 * so that one that was taken and put back meanwhile is noticed), in front of those that never
 * were in use.
 */
#ifndef WEIR_FLOW_SLOT_H
#define WEIR_FLOW_SLOT_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "maps.h"
#include "walk.h"

#define SLOT_NONE 0
/* Of `due`: the entry was marked at the last look, and the key of the other direction's is its own, turned round. */
#define SLOT_DUE_MARKED 1
#define SLOT_TRIES      16 /* before other CPUs that take slots at the same time */

#define FREE_INDEX  0xffffffffULL
#define FREE_CHANGE (1ULL << 32)

/* The head of either family's slots; their keys follow in a form of their own. */
struct slot_head {
	__u64 due;
	__u32 state;
	__u32 next; /* free: the next free one, plus one; else the VRF of the key, which begins here */
};

static __always_inline struct slot_head *slot_get(__u8 family, __u32 slot)
{
	__u32 index = slot - 1;
	struct slot_head *head;

	if (family == 4) {
		head = bpf_map_lookup_elem(&flow_slots4, &index);
		NOT_MERGED(head, 4);
	} else {
		head = bpf_map_lookup_elem(&flow_slots6, &index);
		NOT_MERGED(head, 6);
	}
	return head;
}

static __always_inline struct flow_slot_pool *slot_pool(__u8 family)
{
	__u32 index = family == 4 ? 0 : 1;

	return bpf_map_lookup_elem(&flow_slot_pools, &index);
}

/*
 * A slot from the list of free ones; SLOT_NONE: it is empty, or others were always faster. This and
 * what puts one back are functions of their own: the verifier goes through their tries once.
 */
__attribute__((noinline)) __u32 slot_pop(__u8 family)
{
	struct flow_slot_pool *pool = slot_pool(family);
	__u32 i;

	if (!pool)
		return SLOT_NONE;
	for (i = 0; i < SLOT_TRIES; i++) {
		__u64 free = *(volatile __u64 *)&pool->free;
		__u32 slot = free & FREE_INDEX;
		struct slot_head *head;
		__u64 next;

		if (!slot)
			return SLOT_NONE;
		head = slot_get(family, slot);
		if (!head)
			return SLOT_NONE;
		next = (free & ~FREE_INDEX) + FREE_CHANGE + *(volatile __u32 *)&head->next;
		if (__sync_val_compare_and_swap(&pool->free, free, next) == free)
			return slot;
	}
	return SLOT_NONE;
}

static __always_inline void slot_push(__u8 family, __u32 slot)
{
	struct flow_slot_pool *pool = slot_pool(family);
	struct slot_head *head = slot_get(family, slot);
	__u32 i;

	if (!pool || !head)
		return;
	for (i = 0; i < SLOT_TRIES; i++) {
		__u64 free = *(volatile __u64 *)&pool->free;
		__u64 next = (free & ~FREE_INDEX) + FREE_CHANGE + slot;

		head->next = free & FREE_INDEX;
		if (__sync_val_compare_and_swap(&pool->free, free, next) == free)
			return;
	}
	/* The sweep tries again. */
	head->due = 0;
	head->state = SLOT_MISSING;
}

static __always_inline void slot_write_key(__u8 family, __u32 slot, const union flow_key *key)
{
	__u32 index = slot - 1;

	if (family == 4) {
		struct flow_slot4 *own = bpf_map_lookup_elem(&flow_slots4, &index);

		if (own)
			own->key = key->v4;
	} else {
		struct flow_slot6 *own = bpf_map_lookup_elem(&flow_slots6, &index);

		if (own)
			own->key = key->v6;
	}
}

/* A slot for a new entry, which the sweep passes over until slot_use(). SLOT_NONE: all are taken. */
static __always_inline __u32 slot_take(__u8 family, const union flow_key *key)
{
	struct flow_slot_pool *pool = slot_pool(family);
	__u32 slot;

	if (!pool)
		return SLOT_NONE;
	slot = slot_pop(family);
	if (!slot) {
		slot = __sync_fetch_and_add(&pool->begun, 1) + 1;
		if (!slot_get(family, slot)) {
			__sync_fetch_and_add(&pool->begun, -1);
			return SLOT_NONE;
		}
	}
	slot_write_key(family, slot, key);
	return slot;
}

static __always_inline __u32 slot_state_of(const struct flow_entry *flow)
{
	__u32 translated = flow->action == FLOW_NAT ? SLOT_TRANSLATED : 0;

	if (flow->action == FLOW_HOLD || (flow->flags & FLOW_FLAG_SINGLE))
		return SLOT_SINGLE | translated;
	return SLOT_PAIR | translated;
}

/* The entry that names the slot is in place. The next sweep looks at it. */
static __always_inline void slot_use(__u8 family, __u32 slot, __u32 state)
{
	struct slot_head *head = slot_get(family, slot);

	if (!head)
		return;
	head->due = 0;
	head->state = state;
}

/* The entry for which it was taken has not come into place. */
__attribute__((noinline)) int slot_return(__u8 family, __u32 slot)
{
	if (slot)
		slot_push(family, slot);
	return 0;
}

/* The entry that named it is gone. */
__attribute__((noinline)) int slot_free(__u8 family, __u32 slot)
{
	struct slot_head *head = slot_get(family, slot);
	__u32 state = head ? head->state : SLOT_FREE;

	if (state != SLOT_FREE &&
	    __sync_val_compare_and_swap(&head->state, state, SLOT_FREE) == state)
		slot_push(family, slot);
	return 0;
}

/* The flow may be idle sooner than it seemed: the next sweep looks at it. */
static __always_inline void slot_hasten(__u8 family, __u32 slot)
{
	struct slot_head *head = slot_get(family, slot);

	if (head && head->state != SLOT_FREE)
		head->due = 0;
}

#endif
